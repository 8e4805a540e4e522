"""Options of figures: typed values, near names in errors, a quick size."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from fedkd.errors import ConfigurationError
from sims import options


@dataclass(frozen=True)
class Asked:
    data: str = "digits"
    rounds: int = 100
    step: float = 1.0
    seeds: tuple[int, ...] = (0, 1)


def test_values_have_their_fields_types() -> None:
    asked = options.read(Asked, ["data=a9a", "rounds=7", "step=.5", "seeds=3,4,5"], {})
    assert asked == Asked("a9a", 7, 0.5, (3, 4, 5))
    assert options.fields(asked) == {"data": "a9a", "rounds": 7, "step": 0.5, "seeds": (3, 4, 5)}


def test_quick_changes_defaults_and_what_is_asked_for_wins() -> None:
    quick = {"rounds": 2, "step": 0.1}
    assert options.read(Asked, ["--quick", "step=3"], quick) == Asked(rounds=2, step=3.0)
    assert options.read(Asked, [], quick) == Asked()


@pytest.mark.parametrize(
    ("argument", "why"),
    [
        ("dta=a9a", "did you mean data="),
        ("rounds", "did you mean rounds="),
        ("rounds=many", "rounds=many: is no int"),
        ("seeds=1,x", "is no numbers with commas"),
        ("--fast", "or --quick"),
    ],
)
def test_what_cannot_be_read_is_one_line(argument: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        options.read(Asked, [argument], {})
    assert "\n" not in str(caught.value)


def test_bounds_and_choices() -> None:
    with pytest.raises(ConfigurationError, match="clients=0: is below 1; choose clients >= 1"):
        options.least("clients", 0, 1)
    with pytest.raises(ConfigurationError, match="split=x: is unknown; choose iid, both"):
        options.one_of("split", "x", ("iid", "both"))
