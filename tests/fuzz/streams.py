"""Small entropy-coded streams that ask for much: each by what it does, as a function that gives a frame."""

from fedkd_compression import SubtractiveDither
from fedkd_compression.body import Body, most
from fedkd_compression.codecs.choice import NAMED, NAMED_ESCAPES, SHARED, SHARED_ESCAPES, TABLES, ZSTD
from tests.fuzz.forge import forged, number, stream

DIM, LONG = 20, 40_000
"""Long rows have streams in two chunks of four lanes."""
DITHER = SubtractiveDither(step=1.0)
SIDE = stream(1, bytes(4))
HUGE = (1 << 62) - 1
ONE_CELL = bytes((0, 127, 0)) + b"\1"
"""One table without contexts, whose one cell is the symbol 0."""
ONE_CELL_AND_ESCAPES = bytes((8, 127, 0)) + b"\x41"
ZEROS = b"\1\0"
"""A state of one lane that holds nothing."""
_MAGIC, _BLOCK = b"\x28\xb5\x2f\xfd", 1 << 10


def _symbols(code, payload, count=DIM, dim=DIM):
    """Symbols of the dither in a code."""
    return forged(DITHER, dim, Body(side=SIDE, symbols=stream(count, bytes((code,)) + payload)))


def _zeros(blocks, window=0, width=1):
    """A Zstandard frame of so many blocks of 2^10 zeros each, in four bytes a block; the window is 2^10, too."""
    repeated = (_BLOCK << 3 | 1 << 1).to_bytes(3, "little") + b"\0"
    last = (_BLOCK << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0"
    return bytes((width,)) + _MAGIC + bytes((0, window)) + repeated * (blocks - 1) + last


def _claimed(size):
    """A Zstandard frame that says how much it holds, and holds nothing."""
    return b"\1" + _MAGIC + b"\xc0\0" + size.to_bytes(8, "little") + b"\1\0\0"


BOMBS = {
    "an unknown code": lambda: _symbols(9, bytes(100)),
    "a table of an unknown kind": lambda: _symbols(TABLES, bytes((5, 127, 3)) + bytes(50)),
    "a table of kind 7 with all flags": lambda: _symbols(TABLES, b"\xff\x7f\x03" + bytes(50)),
    "a table beyond the last cell": lambda: _symbols(TABLES, bytes((0, 200, 100)) + bytes(50)),
    "eight tables of all cells, without their grades": lambda: _symbols(TABLES, bytes((4, 0, 254))),
    "eight tables of all cells, all grades absent": lambda: _symbols(TABLES, bytes((4, 0, 254)) + b"\xff" * 400),
    "a grade that never ends": lambda: _symbols(TABLES, bytes((0, 127, 3)) + bytes(1000)),
    "a table without a stream": lambda: _symbols(TABLES, ONE_CELL),
    "as many symbols of one cell as are allowed": lambda: _symbols(TABLES, ONE_CELL + ZEROS, most(DIM)),
    "2^62 symbols of one cell": lambda: _symbols(TABLES, ONE_CELL + ZEROS, HUGE),
    "2^62 escapes": lambda: _symbols(TABLES, ONE_CELL_AND_ESCAPES + number(HUGE) + bytes(40)),
    "2^20 escapes": lambda: _symbols(TABLES, ONE_CELL_AND_ESCAPES + number(1 << 20) + bytes(40)),
    "escapes of parameter 200": lambda: _symbols(TABLES, ONE_CELL_AND_ESCAPES + number(3) + b"\xc8" + bytes(40)),
    "escapes for no places": lambda: _symbols(TABLES, ONE_CELL_AND_ESCAPES + number(3) + b"\0\x07" + ZEROS),
    "a state of ones": lambda: _symbols(NAMED, b"\xff" * 4),
    "a thousand words of ones": lambda: _symbols(NAMED, b"\xff" * 2004),
    "a stream of no bytes": lambda: _symbols(NAMED, b""),
    "as many named symbols as are allowed": lambda: _symbols(NAMED, ZEROS, most(DIM)),
    "named tables beyond the last": lambda: _symbols(NAMED_ESCAPES, b"\xff" + bytes(40)),
    "named tables with 2^62 escapes": lambda: _symbols(NAMED_ESCAPES, b"\5" + number(HUGE) + bytes(40)),
    "a model that nobody has": lambda: _symbols(SHARED, bytes(40)),
    "a model that nobody has, and 2^62 escapes": lambda: _symbols(SHARED_ESCAPES, number(HUGE) + bytes(40)),
    "a chunk of 2^62 words": lambda: _symbols(NAMED, number(HUGE) + bytes(60), LONG, LONG),
    "a chunk of 2^31 words": lambda: _symbols(NAMED, number(1 << 31) + bytes(60), LONG, LONG),
    "chunks without states": lambda: _symbols(NAMED, number(0) + bytes(3), LONG, LONG),
    "chunks of states below the least": lambda: _symbols(NAMED, number(0) + bytes(32), LONG, LONG),
    "chunks whose sizes never end": lambda: _symbols(NAMED, b"\xff" * 100, LONG, LONG),
    "one chunk of twice the symbols": lambda: _symbols(TABLES, b"\x80\x7f\0\1" + bytes(16), most(LONG), LONG),
    "a Zstandard code of width 3": lambda: _symbols(ZSTD, b"\3" + bytes(40)),
    "Zstandard: 2^26 zeros in 256 kB": lambda: _symbols(ZSTD, _zeros(1 << 16)),
    "Zstandard: 2^16 zeros in 256 bytes": lambda: _symbols(ZSTD, _zeros(1 << 6)),
    "Zstandard: symbols of four bytes": lambda: _symbols(ZSTD, _zeros(1 << 6, width=4)),
    "Zstandard: a window of 2^41": lambda: _symbols(ZSTD, _zeros(1, window=0xFF)),
    "Zstandard: 2^31 bytes claimed": lambda: _symbols(ZSTD, _claimed(1 << 31)),
    "Zstandard: 2^62 bytes claimed": lambda: _symbols(ZSTD, _claimed(HUGE)),
}
