"""A compression operator for fedkd."""

from my_compressor.scaled_sign import ScaledSign

__all__ = ["ScaledSign"]
