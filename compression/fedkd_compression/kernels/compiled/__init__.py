"""The kernels compiled with numba; each is compiled at its first use and kept on disk."""

from __future__ import annotations

from fedkd_compression.kernels.portable import *  # noqa: F403
