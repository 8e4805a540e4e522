"""python -m fedkd_compression.bench."""

from __future__ import annotations

import sys

from fedkd_compression.bench.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
