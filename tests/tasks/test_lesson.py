"""A lesson comes back bit for bit, also where there is nothing to learn from; anything else is refused."""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import replace

import pytest
import torch

from fedkd import vectors
from fedkd.tasks import Lesson
from fedkd_compression import WireError
from tests.tasks.test_teachers import DATA, KEY, NOBODY, PARTS, PRETRAINED

LESSON = Lesson(torch.tensor([[0.1, -2.0], [3e38, 0.0], [1e-40, 5.0]]), {"teacher_test_accuracy": 0.1, "é": 2.0})


def sealed(head: object, table: torch.Tensor, text: bytes | None = None) -> bytes:
    """A lesson with another head, under a right checksum."""
    text = json.dumps(head).encode() if text is None else text
    return struct.pack("<II", len(text), zlib.crc32(text)) + text + vectors.pack(table)


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (6, 1), (0, 5), (0, 0)])
def test_it_comes_back_bit_for_bit(shape: tuple[int, int]) -> None:
    table = LESSON.table.reshape(-1)[: shape[0] * shape[1]].reshape(shape)
    after = Lesson.unpack(Lesson(table, LESSON.facts).pack())
    assert after.facts == LESSON.facts
    assert (after.table.shape, after.table.dtype) == (table.shape, table.dtype)
    assert after.table.numpy().tobytes() == table.numpy().tobytes()


def test_every_changed_byte_and_every_other_length_is_refused() -> None:
    data = LESSON.pack()
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 0x11
        for wrong in (bytes(changed), data[:place]):
            with pytest.raises(WireError):
                Lesson.unpack(wrong)
    with pytest.raises(WireError):
        Lesson.unpack(data + b"\0")


@pytest.mark.parametrize(
    "shape",
    [[2, 2], [6], [3, 2, 1], [-3, -2], [0, 10**30], [10**400, 0], [3e999, 2], ["x", 1], None, [[3], 2], [2**31, 2**31]],
)
def test_a_shape_that_is_none_is_refused(shape: object) -> None:
    with pytest.raises(WireError):
        Lesson.unpack(sealed({"facts": {}, "shape": shape}, torch.ones(6)))


@pytest.mark.parametrize("facts", [None, [1], {"x": None}, {"x": [1]}, {"x": "much"}, {"x": 10**400}])
def test_facts_that_are_no_numbers_are_refused(facts: object) -> None:
    with pytest.raises(WireError, match="lesson: its head is no object with facts and a shape"):
        Lesson.unpack(sealed({"facts": facts, "shape": [3, 2]}, torch.ones(6)))


@pytest.mark.parametrize("text", [b"", b"[]", b"3", b"\xff", b'{"shape":', b"[" * 100_000, b'{"shape": [3, 2]}'])
def test_a_head_that_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(WireError, match="lesson: its head is no object with facts and a shape"):
        Lesson.unpack(sealed(None, torch.ones(6), text))


def test_teacher_answers_from_its_lesson_as_if_it_had_learned_here() -> None:
    teacher = replace(PRETRAINED, epochs=1)
    lesson = Lesson.unpack(teacher.learn(DATA, KEY).pack())
    given, learned = teacher.fit(DATA, PARTS, KEY, lesson), teacher.fit(DATA, PARTS, KEY)
    assert given.summary() == learned.summary()
    for client in range(len(PARTS)):
        assert torch.equal(given.logits(client, NOBODY), learned.logits(client, NOBODY))
