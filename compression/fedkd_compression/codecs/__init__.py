"""Codecs: whole numbers to bytes. ``encode_symbols`` takes the shortest of several; positions are Rice-coded gaps."""

from __future__ import annotations

from fedkd_compression.codecs.lengths import symbol_lengths
from fedkd_compression.codecs.positions import decode_positions, encode_positions
from fedkd_compression.codecs.static_model import StaticModel
from fedkd_compression.codecs.symbols import decode_symbols, encode_symbols

__all__ = ["StaticModel", "decode_positions", "decode_symbols", "encode_positions", "encode_symbols", "symbol_lengths"]
