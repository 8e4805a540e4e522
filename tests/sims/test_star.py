"""The study of STAR: rivals are torch's own optimizers, every federated setting checks, tables say what was found."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import fmean

import pytest
import torch

from fedkd.compose import compose
from fedkd.configuration import Settings, check
from fedkd.errors import ConfigurationError
from fedkd.keys import key
from fedkd.metatraining.families import Networks, family_of
from fedkd.optimizers import STAR_FORM, Theta, drawn, read_theta
from sims.figures import star
from sims.found import Found
from sims.star import curves, forms, rounds
from sims.star.elsewhere import Convolutional
from sims.star.unrolled import Classical, Learned, final, tuned, unrolled

pytestmark = pytest.mark.xdist_group("star")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All parts, with the first two of all that is compared, and one solver; of the pages, the last is written."""
    found = tmp_path_factory.mktemp("star")
    counts: list[int] = []

    def write(parts: Sequence[Found], *others: object) -> None:
        counts.append(len(parts))
        if len(parts) == len(star.PARTS):
            written(parts, *others)

    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((curves, "grounds"), (curves, "rivals"), (rounds, "servers")):
            patch.setattr(module, name, _first(2, getattr(module, name)))
        patch.setattr(rounds, "solvers", _first(1, rounds.solvers))
        written = star.write
        patch.setattr(star, "write", write)
        star.main(["--quick", f"output={found}"])
    assert counts == [1, 2, 3, 4, 5], "a page after every part"
    return found


def _first(count: int, make: Callable[..., dict[str, object]]) -> Callable[..., dict[str, object]]:
    return lambda *arguments: dict(list(make(*arguments).items())[:count])


@pytest.fixture(scope="module")
def numbers(folder: Path) -> dict[str, dict[str, object]]:
    content: dict[str, dict[str, object]] = json.loads((folder / "star.json").read_text())
    return content


def test_all_parts_are_on_the_page(folder: Path, numbers: dict[str, object]) -> None:
    assert {*star.PARTS} <= {*numbers}
    page = (folder / "star.html").read_text()
    assert all(word in page for word in ("training loss", "test loss", "noisy quadratics", "meta-training"))
    assert (folder / "star.png").stat().st_size > 10_000


def test_numbers_are_those_of_a_direct_run(numbers: dict[str, dict[str, object]]) -> None:
    rows = numbers["curves"]["rows"]
    assert isinstance(rows, list)
    [row] = [row for row in rows if row["rule"] == "STAR" and row["steps"] == 40 and "trained on" in row["ground"]]
    direct = final(unrolled(family_of("digits"), Learned(read_theta("client")), curves.TINY.seeds, 40))
    assert row["final"] == pytest.approx(direct.tolist())


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.SGD])
def test_a_rival_is_torch_on_one_network(kind: type[torch.optim.Optimizer]) -> None:
    """The network, its batches and its optimizer apart, by autograd."""
    family, steps = family_of("digits"), 3
    assert isinstance(family, Networks)
    both = unrolled(family, Classical(kind, 0.05), (3, 7), steps)
    stream = key(1_000_007, "optimizer")
    params = [part.clone().requires_grad_() for part in family.begin(stream).params]
    places, optimizer = family.draws(stream.fold("batches", 0), 100)[0], kind(params, lr=0.05)  # type: ignore[call-arg]
    for step in range(steps):
        x = torch.relu(family.x[places[step]] @ params[0].T + params[1]) @ params[2].T + params[3]
        loss = torch.nn.functional.cross_entropy(x, family.y[places[step]])
        assert float(both[step, 1]) == pytest.approx(loss.item(), rel=1e-4)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_the_best_rate_is_chosen_and_never_one_that_diverges() -> None:
    family = family_of("quadratics")
    rates = [Classical(torch.optim.SGD, rate) for rate in (1e-6, 1.0, 1e6)]
    assert tuned(family, rates, (0, 1), 200) == rates[1]


def test_a_run_that_diverges_is_counted() -> None:
    """A learned term that no quadratic survives, beside a nominal one that all do."""
    form = replace(STAR_FORM, free_step=1e6)
    far = curves.Size((0,), 5, 1, (0.1,), 3, 100)
    assert curves.stable(Theta(form, drawn(form, key(0, "optimizer")).vector), far)["diverged"] == 3


def test_convolutions_learn() -> None:
    digits = family_of("digits")
    assert isinstance(digits, Networks)
    losses = unrolled(Convolutional(digits.x, digits.y, (8, 16)), Classical(torch.optim.Adam, 0.01), (0,), 60)
    assert float(losses[0]) > 2.2
    assert float(final(losses)) < 1.0


@pytest.mark.parametrize("methods", [rounds.servers("server"), rounds.solvers("client")], ids=["servers", "solvers"])
def test_every_federated_setting_checks(methods: dict[str, rounds.Method]) -> None:
    """And all methods of a table have as many."""
    settings = [
        rounds.Setting(name, method, values)
        for name, method in methods.items()
        for values in product(*method.grid.values())
    ]
    assert len({setting.words for setting in settings}) == len(settings)
    assert {sum(setting.name == name for setting in settings) for name in methods} == {len(settings) // len(methods)}
    for name in methods:
        last = [setting for setting in settings if setting.name == name][-1]
        check(Settings.of(compose([*last.overrides, "rounds=1"])))


def test_a_table_of_rounds_says_what_its_runs_found(folder: Path, numbers: dict[str, dict[str, object]]) -> None:
    rows = numbers["server"]["rows"]
    assert isinstance(rows, list)
    first = rows[0]
    assert first["method"] == "STAR"
    kept = folder / "server" / "STAR-0.1-0.5" / "6-0" / "metrics.jsonl"
    told = [json.loads(line)["metrics"]["loss"] for line in kept.read_text().splitlines()]
    assert first["losses"][0] == told
    mean = fmean(fmean(losses[:3]) for losses in first["losses"])
    assert f"{mean:.3f}" in (folder / "star.html").read_text()


def test_every_form_can_be_trained(tmp_path: Path) -> None:
    """Each is another one."""
    made = [forms.Terms(**{**change, "output": str(tmp_path)}).form() for change in forms.FORMS.values()]  # type: ignore[arg-type]
    assert len({*made}) == len(made) - 2  # two differ in their meta-training alone
    assert {form.size for form in made} == {197, 202}


@pytest.mark.parametrize("wrong", ["parts=curve", "size=large", "client=nothing", "parts=", "server=x.safetensors"])
def test_a_wrong_option_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=r"choose|number of parts"):
        star.main([wrong])
