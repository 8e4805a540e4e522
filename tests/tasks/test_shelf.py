"""Teachers that learn with clients are asked once for a client, whichever worker asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch

from fedkd.errors import ConfigurationError
from fedkd.tasks import FittedTeacher, Shelf

PARTS = [np.arange(4), np.arange(4, 7)]
CLASSES = 3
RECEIVED = torch.nn.Identity()


@dataclass
class Counted(FittedTeacher):
    """Answers with numbers that tell client and call."""

    asked: list[int] = field(default_factory=list)

    def logits(self, client: int, received: torch.nn.Module) -> torch.Tensor:
        self.asked.append(client)
        return torch.randn(len(PARTS[client]), CLASSES, generator=torch.Generator().manual_seed(client))

    def summary(self) -> dict[str, float]:
        return {"asked": len(self.asked)}


def shelf(folder: Path) -> Shelf:
    return Shelf(Counted(), folder / "teachers", PARTS, CLASSES)


def test_the_second_worker_finds_what_the_first_one_learned(tmp_path: Path) -> None:
    first, second = shelf(tmp_path), shelf(tmp_path)
    learned = [first.logits(client, RECEIVED) for client in (0, 1)]
    found = [second.logits(client, RECEIVED) for client in (0, 1)]
    assert all(torch.equal(a, b) for a, b in zip(learned, found, strict=True))
    assert first.summary() == {"asked": 2}
    assert second.summary() == {"asked": 0}
    assert sorted(path.name for path in (tmp_path / "teachers").iterdir()) == ["000000.logits", "000001.logits"]


DAMAGES = [lambda data: data[:-1], lambda data: b"", lambda data: data[:40] + b"?" + data[41:]]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_named_never_believed(damage, tmp_path: Path) -> None:
    shelf(tmp_path).logits(1, RECEIVED)
    path = tmp_path / "teachers" / "000001.logits"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ConfigurationError, match=r"000001\.logits: is damaged; delete it"):
        shelf(tmp_path).logits(1, RECEIVED)
