"""What keeping client states on the worker saves, and what it holds: learned ski rental beside loading every state.

    python benchmarks/residency.py [--dim 100000] [--clients 50] [--rounds 60] [--seeds 3] [--device cpu]
        [--out FILE.json]

Clients come back by chance: with probability p in every round; in the last row one in ten does with probability .9 and
the others with .02. A visit loads the client's state from the folder that ``store=folder`` has, takes it to the device,
and puts the next one; training is left out, so that only loading is timed. The two ways take turns, round by round, on
the same clients; ``load`` is how many times longer all loads took without copies.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from fedkd.clients import ClientState, FolderStore, SkiRental, Store
from fedkd.clients.resident_store import ResidentStore

PRICE, MEBIBYTES = 8.0, 1 << 16
LAWS = ("1", "0.5", "0.1", "0.02", "mixed")


@dataclass(frozen=True)
class Row:
    """A law of visits.

    Args:
        load: seconds of loading without copies / with them, a seed each.
        hits: share of states that were there, of those that existed.
        held: mean share of all clients' states that were held at a round's end.
        excess: what keeping and loading cost / the same of the best fixed time to keep, less 1.
    """

    law: str
    load: tuple[float, ...]
    hits: tuple[float, ...]
    held: tuple[float, ...]
    excess: tuple[float, ...]


def chances(law: str, clients: int) -> np.ndarray:
    """How likely each client takes part in a round [clients]."""
    if law != "mixed":
        return np.full(clients, float(law))
    return np.where(np.arange(clients) % 10 == 0, 0.9, 0.02)


def visit(store: Store, clients: list[int], round_: int, dim: int, device: str) -> float:
    """A round; the seconds until all states are on the device."""
    seconds = 0.0
    for client in clients:
        began = time.perf_counter()
        uplink = store.before(client, round_).uplink
        moved = torch.zeros(dim, device=device) if uplink is None else uplink.to(device)
        if device != "cpu":
            torch.cuda.synchronize()
        seconds += time.perf_counter() - began
        store.put(client, round_, ClientState(moved + 1, round_ + 1))
    return seconds


def measure(law: str, asked: argparse.Namespace, seed: int) -> tuple[float, float, float, float]:
    """One seed's figures, in the order of ``Row``."""
    draws, chance = np.random.default_rng(seed), chances(law, asked.clients)
    with tempfile.TemporaryDirectory() as folder:
        plain = FolderStore(Path(folder) / "plain", asked.dim, torch.float32)
        kept = SkiRental(PRICE, MEBIBYTES).around(FolderStore(Path(folder) / "kept", asked.dim, torch.float32))
        assert isinstance(kept, ResidentStore)
        seconds, held = [0.0, 0.0], []
        for round_ in range(asked.rounds):
            clients = np.flatnonzero(draws.random(asked.clients) < chance).tolist()
            for place, store in enumerate((plain, kept)):
                seconds[place] += visit(store, clients, round_, asked.dim, asked.device)
            held.append(kept.size / (4 * asked.dim * asked.clients))
        learned, asked_for = kept.learned(), kept.hits + kept.misses
        plain.close()
        kept.close()
    return seconds[0] / seconds[1], kept.hits / asked_for, statistics.fmean(held), learned.surrogate / learned.best - 1


def main() -> None:
    """Measure every law, print a line each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name, default in (("dim", 100_000), ("clients", 50), ("rounds", 60), ("seeds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    rows = []
    print("p            load        hits      held   above the best fixed time")
    for law in LAWS:
        rows.append(Row(law, *zip(*(measure(law, asked, seed) for seed in range(asked.seeds)), strict=True)))
        load, hits, held, excess = (statistics.fmean(each) for each in list(asdict(rows[-1]).values())[1:])
        spread = statistics.pstdev(rows[-1].load)
        print(f"{law:<8} {load:6.2f} ± {spread:4.2f} {100 * hits:7.1f} % {100 * held:6.1f} % {100 * excess:6.1f} %")
    if asked.out:
        device = torch.cuda.get_device_name() if asked.device != "cpu" else platform.processor()
        told = {key: str(value) if isinstance(value, Path) else value for key, value in vars(asked).items()}
        asked.out.write_text(json.dumps({"asked": told, "device": device, "rows": [asdict(row) for row in rows]}))


if __name__ == "__main__":
    main()
