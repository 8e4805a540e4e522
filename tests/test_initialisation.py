"""What of a file's tensors a learner begins with, and what no run begins with, in one line."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fedkd.checkpoints import write_tensors
from fedkd.errors import ConfigurationError
from fedkd.initialisation import MODEL, Origin, check_file, named, take_up
from fedkd.models.batch_norm import BatchNorm
from fedkd.tasks import Supervised
from fedkd.tasks.convex import Optimum
from fedkd.tasks.convex_learner import ConvexLearner, Objective
from fedkd.tasks.learner import NetworkLearner
from fedkd_compression import Named

TRUNK = {"0.weight", "0.bias", "2.weight", "2.bias"}


def network(*head: nn.Module, value: float = 0.0, hidden: int = 4) -> nn.Sequential:
    """A trunk 3-h-5 and a head under the name 4, every value the same."""
    last = head[0] if len(head) == 1 else nn.Sequential(*head)
    module = nn.Sequential(nn.Linear(3, hidden), nn.ReLU(), nn.Linear(hidden, 5), nn.ReLU(), last)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(value)
    return module


def learner_of(module: nn.Module) -> NetworkLearner:
    return NetworkLearner(module, Supervised(0.0))


def written(folder: Path, tensors: dict[str, Tensor]) -> str:
    """A run's folder with nothing but a model."""
    folder.mkdir(exist_ok=True)
    write_tensors(folder / MODEL, tensors, {})
    return str(folder)


def model_of(module: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in module.named_parameters()}


def taken_up(folder: Path, former: nn.Module, module: nn.Module) -> tuple[dict[str, Tensor], Origin, list[str]]:
    """The tensors that the new model begins with, what is noted of them, and what was said."""
    said: list[str] = []
    learner = learner_of(module)
    origin = take_up(written(folder, model_of(former)), learner, said.append)
    return named(learner.tensors, learner.vector), origin, said


def test_names_come_to_the_parts_of_a_vector_which_stay_views_of_it() -> None:
    vector = torch.arange(8.0)
    parts = named([Named("a", (2, 3)), Named("b", ()), Named("c", (1,))], vector)
    assert [(name, part.tolist()) for name, part in parts.items()] == [
        ("a", [[0, 1, 2], [3, 4, 5]]),
        ("b", 6),
        ("c", [7]),
    ]
    parts["a"].zero_()
    assert vector.tolist() == [0, 0, 0, 0, 0, 0, 6, 7]


def test_the_same_network_is_taken_whole(tmp_path: Path) -> None:
    tensors, origin, said = taken_up(tmp_path, network(nn.Linear(5, 2), value=1.0), network(nn.Linear(5, 2)))
    assert all(bool((tensor == 1).all()) for tensor in tensors.values())
    assert (set(origin.taken), origin.anew, origin.unused) == ({*TRUNK, "4.weight", "4.bias"}, (), ())
    assert origin.sha256 == hashlib.sha256((tmp_path / MODEL).read_bytes()).hexdigest()
    assert said == [f"init={tmp_path}: all 6 tensors taken"]


@pytest.mark.parametrize(
    "head",
    [(nn.Linear(5, 7),), (nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 4))],
    ids=["another size", "a projector"],
)
def test_a_trunk_goes_on_under_another_head(head: tuple[nn.Module, ...], tmp_path: Path) -> None:
    tensors, origin, said = taken_up(tmp_path, network(*head, value=1.0), network(nn.Linear(5, 2), value=3.0))
    assert {name: float(tensor.mean()) for name, tensor in tensors.items()} == {
        **dict.fromkeys(TRUNK, 1.0),
        "4.weight": 3.0,
        "4.bias": 3.0,
    }
    assert (set(origin.taken), origin.anew, origin.unused) == (TRUNK, ("4.weight", "4.bias"), ())
    assert said == [f"init={tmp_path}: 4 of 6 tensors taken; 4.weight and 4.bias start anew"]


def test_many_tensors_that_start_anew_are_counted(tmp_path: Path) -> None:
    head = [nn.Linear(5, 4), nn.Linear(4, 3), nn.Linear(3, 2)]
    _, _, said = taken_up(tmp_path, network(nn.Linear(5, 2)), network(*head))
    rest = "4.0.weight, 4.0.bias, 4.1.weight, 4.1.bias and 2 more start anew"
    assert said == [f"init={tmp_path}: 4 of 10 tensors taken; {rest}"]


def test_a_file_may_be_named_itself(tmp_path: Path) -> None:
    path = Path(written(tmp_path, model_of(network(nn.Linear(5, 2), value=1.0)))) / MODEL
    other = path.rename(tmp_path / "encoder.safetensors")
    learner = learner_of(network(nn.Linear(5, 2)))
    check_file(str(other))
    take_up(str(other), learner, lambda _: None)
    assert learner.vector.tolist() == [1.0] * learner.dim


def test_convolutions_are_taken_as_they_are_written(tmp_path: Path) -> None:
    weights = torch.arange(54.0).reshape(2, 3, 3, 3)
    module = nn.Sequential(nn.Conv2d(3, 2, 3, bias=False), nn.Flatten(), nn.Linear(2, 2))
    learner = learner_of(module)
    assert learner.flat.channels_last
    take_up(written(tmp_path, {"0.weight": weights}), learner, lambda _: None)
    assert torch.equal(module[0].weight, weights)
    assert torch.equal(learner.vector[:54], weights.flatten())


def test_running_statistics_are_taken_and_where_there_are_none_start_anew(tmp_path: Path) -> None:
    def normalised(tracks: bool) -> nn.Sequential:
        return nn.Sequential(nn.Linear(3, 4), BatchNorm(4, tracks), nn.Linear(4, 2))

    said: list[str] = []
    statistics = ("1.running_mean", "1.running_var")
    former = normalised(tracks=True)
    with torch.no_grad():
        dict(former.named_buffers())["1.running_mean"].fill_(7.0)
    kept = learner_of(former)
    init = written(tmp_path, named(kept.tensors, kept.vector))
    learner = learner_of(normalised(tracks=True))
    assert take_up(init, learner, lambda _: None).anew == ()
    assert torch.equal(learner.vector, kept.vector)
    assert float(kept.vector[-8:].sum()) == 4 * 7.0 + 4
    without = learner_of(normalised(tracks=False))
    assert take_up(init, without, said.append).unused == statistics
    init = written(tmp_path, named(without.tensors, without.vector))
    assert take_up(init, learner, said.append).anew == statistics
    names = "1.running_mean and 1.running_var"
    assert said == [
        f"init={init}: all 6 tensors taken; {names} of the file are not used",
        f"init={init}: 6 of 8 tensors taken; {names} start anew",
    ]


def test_a_norm_does_not_become_another(tmp_path: Path) -> None:
    former = learner_of(nn.Sequential(nn.Linear(3, 4), BatchNorm(4, tracks=True), nn.Linear(4, 2)))
    init = written(tmp_path, named(former.tensors, former.vector))
    grouped = learner_of(nn.Sequential(nn.Linear(3, 4), nn.GroupNorm(2, 4), nn.Linear(4, 2)))
    refused(lambda: take_up(init, grouped, pytest.fail), init, "1.running_mean is of a BatchNorm, here is a GroupNorm;")


def test_the_network_that_is_wanted_is_named(tmp_path: Path) -> None:
    init = written(tmp_path, WHOLE)
    trunk = {"_target_": "fedkd.models.Cnn", "channels": [16, 32], "norm": "batch"}
    model = {"_target_": "fedkd.models.Projected", "trunk": trunk, "norm": "batch"}
    for said in (trunk, model):
        (tmp_path / "manifest.json").write_text(json.dumps({"configuration": {"model": said}}))
        take = partial(take_up, init, learner_of(network(nn.Linear(5, 2), hidden=8)), pytest.fail)
        refused(take, init, "may differ: Cnn channels=[16, 32] norm=batch")


def damage(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    return lambda folder: void((folder / MODEL).write_bytes(change((folder / MODEL).read_bytes())))


def void(_: object) -> None:
    """Forget a result."""


FILES: tuple[tuple[str, Callable[[Path], None], str], ...] = (
    ("no model", lambda folder: (folder / MODEL).unlink(), "no model.safetensors there; name the folder of a run that"),
    ("cut off", damage(lambda data: data[:-1]), "cannot be read ("),
    ("no header", damage(lambda data: b"\xff" * 16 + data), "cannot be read ("),
    ("no bytes", damage(lambda _: b""), "cannot be read ("),
    ("pickled", damage(lambda _: b"\x80\x04}q\x00."), "cannot be read ("),
    ("no tensors", lambda folder: write_tensors(folder / MODEL, {}, {}), "holds no tensor; name the folder of another"),
)


@pytest.mark.parametrize(("change", "message"), [row[1:] for row in FILES], ids=[row[0] for row in FILES])
def test_a_file_that_is_none_is_refused_before_anything_is_loaded(
    change: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    init = written(tmp_path, model_of(network(nn.Linear(5, 2))))
    check_file(init)
    change(tmp_path)
    refused(lambda: check_file(init), init, message)
    if "holds" not in message:
        refused(lambda: take_up(init, learner_of(network(nn.Linear(5, 2))), pytest.fail), init, message)


@pytest.mark.parametrize("init", ["nowhere", "x" * 300, "a\0b"])
def test_a_path_that_leads_nowhere_is_refused(init: str) -> None:
    refused(lambda: check_file(init), init, "no model.safetensors there")


WHOLE = model_of(network(nn.Linear(5, 2)))
SHAPES = "0.weight is [8, 3] there, [4, 3] here; choose the model of that run, of which only the head, 4.*, may differ"
TENSORS: tuple[tuple[str, dict[str, Tensor], str], ...] = (
    ("trunk of another size", model_of(network(nn.Linear(5, 2), hidden=8)), SHAPES),
    (
        "other names",
        {"first.weight": torch.zeros(4, 3), "w": torch.zeros(3)},
        "has first.weight and w, of which this model, 0.weight, 0.bias, 2.weight, 2.bias and 2 more, can take nothing",
    ),
    ("head alone, of another size", {"4.weight": torch.zeros(9, 5)}, "has 4.weight, of which this model, 0.weight, "),
    ("a part of the trunk", {"0.weight": torch.zeros(4, 3)}, "only the network here has 0.bias; choose the model of"),
    ("a longer trunk", WHOLE | {"3.weight": torch.zeros(4)}, "only the network there has 3.weight; choose the model"),
    ("not a number", WHOLE | {"0.bias": torch.tensor([0.0, torch.nan, 0, 0])}, "0.bias has values that are not finite"),
    ("infinite", WHOLE | {"2.bias": torch.full((5,), -torch.inf)}, "2.bias has values that are not finite"),
    ("too large to be summed", WHOLE | {"2.bias": torch.full((5,), 2.0**32)}, "or not below 2^32; choose a run that"),
    ("another precision", WHOLE | {"0.bias": torch.zeros(4).half()}, "0.bias is float16, not float32; change it to"),
)


@pytest.mark.parametrize(("tensors", "message"), [row[1:] for row in TENSORS], ids=[row[0] for row in TENSORS])
def test_tensors_that_do_not_fit_are_refused_and_nothing_is_taken(
    tensors: dict[str, Tensor], message: str, tmp_path: Path
) -> None:
    init, learner = written(tmp_path, tensors), learner_of(network(nn.Linear(5, 2), value=3.0))
    check_file(init)
    refused(lambda: take_up(init, learner, pytest.fail), init, message)
    assert learner.vector.tolist() == [3.0] * learner.dim


def refused(work: Callable[[], object], init: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        work()
    line = str(caught.value)
    assert line.startswith(f"init={init}: ")
    assert message in line
    assert "\n" not in line
    assert len(line) < 600


def test_a_convex_model_is_one_vector_named_w(tmp_path: Path) -> None:
    x = torch.eye(3, dtype=torch.float64)
    optimum = Optimum(x[0], 0.0)

    def learner() -> ConvexLearner:
        from fedkd.tasks import LeastSquares

        return ConvexLearner(LeastSquares(0.1), Objective(x, x[0], x[0], optimum, 1.0))

    one = learner()
    take_up(written(tmp_path, {"w": torch.arange(3.0, dtype=torch.float64)}), one, lambda _: None)
    assert one.vector.tolist() == [0, 1, 2]
    init = written(tmp_path, {"w": torch.zeros(4, dtype=torch.float64)})
    refused(lambda: take_up(init, learner(), pytest.fail), init, "w is [4] there, [3] here; choose the model of that")
    init = written(tmp_path, model_of(network(nn.Linear(5, 2))))
    refused(lambda: take_up(init, learner(), pytest.fail), init, "of which this model, w, can take nothing")


def test_a_file_is_looked_at_without_torch(tmp_path: Path) -> None:
    written(tmp_path, {"w": torch.zeros(3).bfloat16()})
    script = f"""
import sys
from fedkd.deferred import defer
defer("torch")
from fedkd.initialisation import check_file
check_file({str(tmp_path)!r})
assert type(sys.modules["torch"]).__name__ == "_Deferred"
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
