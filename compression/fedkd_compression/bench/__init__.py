"""The map of the field: what every operator costs and loses, beside Shannon's limits.

    python -m fedkd_compression.bench              operators: bits, distortion, speed; map.json and a picture with --out
    python -m fedkd_compression.bench kernels      the loops below them, beside a memory copy and torch
    python -m fedkd_compression.bench targets      bits at equal distortion against what they should be

Nothing here is imported with the package.
"""
