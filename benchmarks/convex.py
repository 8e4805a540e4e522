"""Rounds a second of the batched engine for convex studies: every message counted, on one core.

    python benchmarks/convex.py [--seconds 2] [--json FILE]

Synthetic least squares, N = 20 clients, n = 50 samples each, full gradients; MCM with one level of QSGD both ways, and
with dither, 5 seeds together. A round counts once a seed. The framework's own rounds stand beside them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from fedkd.build import build
from fedkd.clients import Memory
from fedkd.compose import compose
from fedkd.configuration import Settings
from fedkd.federation import run
from fedkd.tasks import LeastSquares
from sims.convex.engine import Plan, simulate
from sims.convex.methods import Method, method
from sims.convex.problems import Samples, stacked

CLIENTS, SAMPLES, SEEDS = 20, 50, (0, 1, 2, 3, 4)
WINDOW, MOST = 0.03, 1000
"""Seconds of a window, about, and its most rounds."""
AIMS = {20: 5000, 1000: 300}
SIDES = ("uplink", "downlink")
OPERATORS = {
    "s = 1": [f"{side}{what}" for side in SIDES for what in ("=qsgd", ".operator.levels=1", ".operator.norm=l2")],
    "dither": [f"{side}=dither" for side in SIDES],
}


def problem(dim: int) -> Samples:
    """Least squares with standard normal features."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(CLIENTS, SAMPLES, dim, generator=random, dtype=torch.float64)
    y = torch.randn(CLIENTS, SAMPLES, generator=random, dtype=torch.float64)
    return stacked(LeastSquares(l2=0.0), list(zip(x, y, strict=True)), 0, SEEDS)


def rate(work: Callable[[int], None], seconds: float) -> float:
    """Rounds a second of the best of many short windows: so others on the machine disturb least."""
    work(2)
    rounds, best, ends = 1, 0.0, time.perf_counter() + seconds
    while time.perf_counter() < ends:
        began = time.perf_counter()
        work(rounds)
        spent = time.perf_counter() - began
        best = max(best, rounds / spent)
        rounds = min(2 * rounds, MOST) if spent < WINDOW else rounds
    return best


def engine(shared: Samples, asked: Method, seeds: tuple[int, ...]) -> Callable[[int], None]:
    """Rounds of the engine, measured at their end only."""
    return lambda rounds: (simulate(shared, asked, Plan(seeds, rounds, 1e-3, every=rounds)), None)[1]


def framework(dim: int, operators: list[str]) -> Callable[[int], None]:
    """Rounds of the framework in one process; its synthetic problem needs as many samples as dimensions."""
    size = (f"clients={CLIENTS}", f"data.samples_per_client={max(SAMPLES, dim)}", f"data.dim={dim}")
    quiet = ("executor=local", "threads=1", "evaluate_every=1000000", "server.step_size=0.001")
    settings = Settings.of(compose(["task=least_squares", "algorithm=mcm", *operators, *size, *quiet]))
    setup = build(replace(settings, store=Memory()), lambda _: None)
    federation = setup.open(Path(), {})

    def work(rounds: int) -> None:
        for _ in run(federation, setup.algorithm.start(setup.model), rounds):
            pass

    return work


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement, about")
    parser.add_argument("--json", type=Path, default=None, help="a file for the numbers")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for dim, aim in AIMS.items():
        shared = problem(dim)
        for name, operators in OPERATORS.items():
            mcm = method("MCM", ["algorithm=mcm", *operators])
            five = len(SEEDS) * rate(engine(shared, mcm, SEEDS), asked.seconds)
            one = rate(engine(shared, mcm, SEEDS[:1]), asked.seconds)
            own = rate(framework(dim, operators), asked.seconds)
            rows.append({"d": dim, "operator": name, "engine": five, "one_seed": one, "framework": own, "aim": aim})
            print(
                f"d = {dim}, {name}: {five:,.0f} rounds a second (5 seeds together; aim {aim:,}), "
                f"{one:,.0f} with one seed, {own:,.0f} by the framework"
            )
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
