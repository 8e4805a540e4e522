"""Small frames that ask for much: each by what it does, as a function that gives the frame and its receiver."""

from functools import partial

from fedkd_compression import Identity, SubtractiveDither, TopK
from fedkd_compression.body import FLAGS, Body, flags_of, most
from fedkd_compression.codecs.choice import CONSTANT, FIXED, RICE
from tests.fuzz import streams
from tests.fuzz.forge import claiming, counted, forged, number, stream, written
from tests.laws.table import OPERATORS

DIM = 20
LARGE = {"2^20": 1 << 20, "2^31": 1 << 31, "2^62": (1 << 62) - 1}
"""The last is the largest count that nine bytes hold; 0 stands for the dimension."""
IDENTITY, DITHER, TOP = Identity(), SubtractiveDither(step=1.0), TopK(k=3)
PER_TENSOR, SVD, SKETCH = OPERATORS["per_tensor"], OPERATORS["energy_svd"], OPERATORS["count_sketch"]
SIDE, VALUES = stream(1, bytes(4)), stream(3, bytes(12))
NO_SYMBOLS = stream(0)
MANY = 1_000_000


def _symbols(code, payload, count=DIM):
    """Symbols of the dither in a code."""
    return forged(DITHER, DIM, Body(side=SIDE, symbols=stream(count, bytes((code,)) + payload)))


def _positions(data, count=3):
    return forged(TOP, DIM, Body(positions=stream(count, data), values=VALUES))


def _child(body):
    return forged(PER_TENSOR, DIM, Body(children=(body, Body(values=stream(4, bytes(16))))))


def _nested(depth, innermost):
    body = innermost
    for _ in range(depth):
        body = Body(children=(body,))
    return forged(PER_TENSOR, DIM, body)


def _children(tail):
    return written(PER_TENSOR, DIM, Body(children=(Body(),)), tail)


def _counts():
    """Every part with a count that its bytes do not hold."""
    parts = {
        "side": lambda count: forged(DITHER, DIM, Body(side=stream(count, bytes(4)), symbols=NO_SYMBOLS)),
        "values": lambda count: forged(IDENTITY, DIM, Body(values=stream(count, bytes(80)))),
        "positions": lambda count: _positions(b"\0\0\0\0", count),
        "symbols": lambda count: _symbols(RICE, b"\0\0\0", count),
        "constant symbols": lambda count: _symbols(CONSTANT, b"\2", count),
        "values of a child": lambda count: _child(Body(values=stream(count, bytes(16)))),
        "side of a factorisation": lambda count: forged(SVD, DIM, Body(side=stream(count, bytes(8)), values=VALUES)),
    }
    return {f"{size} {name}": partial(make, count) for name, make in parts.items() for size, count in LARGE.items()}


_STRUCTURE = {
    "positions of 2^31 bytes": lambda: written(
        TOP, DIM, Body(positions=stream(0), values=NO_SYMBOLS), counted(0) + counted(3) + number(1 << 31)
    ),
    "positions of 2^62 bytes": lambda: written(
        TOP, DIM, Body(positions=stream(0), values=NO_SYMBOLS), counted(0) + counted(3) + number(LARGE["2^62"])
    ),
    "positions that overflow": lambda: _positions(bytes((31,)) + b"\xff" * 12 + b"\x3f"),
    "a position at dim": lambda: _positions(bytes((8, 0, 0, 18)) + b"\7"),
    "positions of parameter 255": lambda: _positions(b"\xff" * 40),
    "positions that never end": lambda: _positions(bytes(1000)),
    "as many positions as are allowed": lambda: _positions(b"\0" + b"\xff" * 1100, most(DIM)),
    "2^62 children": lambda: _children(number(LARGE["2^62"])),
    "a million children, none there": lambda: _children(number(MANY)),
    "a million children, all there": lambda: _children(number(MANY) + b"\2\0\0" * MANY),
    "a child of 2^31 bytes": lambda: _children(number(2) + number(1 << 31) + bytes(9)),
    "a child of 2^62 bytes": lambda: _children(number(2) + number(LARGE["2^62"]) + bytes(9)),
    "a child of no bytes": lambda: _children(number(2) + bytes(9)),
    "a child with unknown flags": lambda: _children(number(2) + b"\2\xff\xff" * 2),
    "a child without a count": lambda: _children(
        number(2) + number(3) + FLAGS.pack(flags_of(Body(values=NO_SYMBOLS))) + b"\0" + b"\2\0\0"
    ),
    "children 10 deep": lambda: _nested(10, Body(values=VALUES)),
    "children 1000 deep": lambda: _nested(900, Body()),
    "children 7 deep, the last of 2^62 values": lambda: _nested(7, Body(values=stream(LARGE["2^62"]))),
    "constant symbols in a child": lambda: _child(Body(symbols=stream(most(16), bytes((CONSTANT, 2))))),
    "as many constant symbols as are allowed": lambda: _symbols(CONSTANT, b"\2", most(DIM)),
    "a constant beyond 32 bits": lambda: _symbols(CONSTANT, number(1 << 40)),
    "fixed width 33": lambda: _symbols(FIXED, b"\0\x21" + bytes(200)),
    "fixed width 32 of too few bytes": lambda: _symbols(FIXED, b"\0\x20" + bytes(8)),
    "fixed symbols beyond 32 bits": lambda: _symbols(FIXED, number(1 << 40) + b"\x20" + bytes(4 * DIM)),
    "fixed width 0 of 8212 symbols": lambda: _symbols(FIXED, b"\0\0", most(DIM)),
    "symbols of parameter 32": lambda: _symbols(RICE, b"\x20" + bytes(200)),
    "symbols that never end": lambda: _symbols(RICE, bytes(1000)),
    "Rice symbols beyond 32 bits": lambda: _symbols(RICE, b"\x1f" + bytes(78) + b"\0" * 40 + b"\xff" * 3),
    "a dimension of 2^62": lambda: claiming(IDENTITY, DIM, number(LARGE["2^62"]), Body(values=stream(DIM, bytes(80)))),
    "a dimension of ten bytes": lambda: claiming(
        IDENTITY, DIM, b"\xff" * 9 + b"\1", Body(values=stream(DIM, bytes(80)))
    ),
    "a dimension that the values have, too": lambda: claiming(
        IDENTITY, DIM, number(1 << 40), Body(values=stream(1 << 40))
    ),
    "values of a sketch that is wider": lambda: forged(
        SKETCH, DIM, Body(values=stream(most(DIM), bytes(4 * most(DIM))))
    ),
    "more singular values than a matrix has": lambda: forged(
        SVD, DIM, Body(side=stream(1000, bytes(4000)), values=stream(9000, bytes(36000)))
    ),
    "nothing at all": lambda: forged(DITHER, DIM, Body()),
}

BOMBS = _counts() | _STRUCTURE | streams.BOMBS
