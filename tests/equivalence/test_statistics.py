"""Running statistics travel as parameters do: the server's are the weighted means of what its clients have measured."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from fedkd.build import build
from tests.e2e.runs import DIGITS, SMALL, kept, rounds_of, run, settings_of

pytestmark = pytest.mark.e2e

NORMED = (*SMALL, *DIGITS, "model=cnn", "model.norm=batch", "model.channels=[4]", "model.hidden=8", "task=supervised")
STATISTICS = 8
"""A mean and a variance of each of four channels."""


def by_hand(overrides: list[str], rounds: int, folder: Path) -> Tensor:
    """x <- x - sum of n_i (x - local_i) / n, of sums that are rounded once."""
    setup = build(settings_of(overrides), lambda _: None)
    shop, x, sizes = setup.workshop("cpu", folder), setup.model, [len(part) for part in setup.parts]
    for round_ in range(rounds):
        pupils = [shop.pupil(round_, client, x) for client in range(len(sizes))]
        updates = [shop.trainer.train(shop.learner, shop.solver, [pupil])[0].vector for pupil in pupils]
        weighted = torch.stack([size * update.double() for size, update in zip(sizes, updates, strict=True)])
        total = torch.tensor([math.fsum(column) for column in weighted.T.tolist()], dtype=torch.float64)
        x = x - (total / sum(sizes)).float()
    return x


def test_the_servers_statistics_are_the_mean_of_the_clients(tmp_path: Path) -> None:
    overrides = [*NORMED, "algorithm=sgd"]
    run(tmp_path / "run", overrides)
    model, expected = kept(tmp_path / "run").server.model, by_hand(overrides, 2, tmp_path)
    assert torch.equal(model, expected)
    assert bool((model[-STATISTICS:-4] != 0).all())
    assert bool((model[-4:] != 1).all())


def test_the_file_of_the_model_has_them_under_their_names(tmp_path: Path) -> None:
    run(tmp_path, [*NORMED, "algorithm=sgd"])
    model, tensors = kept(tmp_path).server.model, load_file(tmp_path / "model.safetensors")
    assert torch.equal(torch.cat((tensors["1.running_mean"], tensors["1.running_var"])), model[-STATISTICS:])
    assert sum(tensor.numel() for tensor in tensors.values()) == len(model)


def test_statistics_that_stay_away_are_not_counted(tmp_path: Path) -> None:
    """Without running statistics every one of four clients sends a mean and a variance less a channel, in float32."""
    bytes_up = {}
    for norm in ("batch", "local_batch"):
        run(tmp_path / norm, [*NORMED, "algorithm=sgd", f"model.norm={norm}", "rounds=1"])
        [line] = rounds_of(tmp_path / norm)
        bytes_up[norm] = line["bytes_up"]
    assert bytes_up["batch"] - bytes_up["local_batch"] == 4 * 4 * STATISTICS


@pytest.mark.parametrize("algorithm", ["mcm", "sgd"])
@pytest.mark.parametrize("trainer", ["serial", "batched"])
def test_processes_give_the_bits_of_one(algorithm: str, trainer: str, tmp_path: Path) -> None:
    """Groups of one client, so that batched products have the same shapes anywhere."""
    alone = ["trainer.clients=1", "trainer.convolutions=unfold"] if trainer == "batched" else []
    overrides = [*NORMED, f"algorithm={algorithm}", f"trainer={trainer}", *alone]
    digests = [
        run(tmp_path / executor, [*overrides, f"executor={executor}", *workers]).model_sha256
        for executor, workers in (("local", []), ("processes", ["executor.workers=2"]))
    ]
    assert digests[0] == digests[1]
    assert rounds_of(tmp_path / "local") == rounds_of(tmp_path / "processes")
