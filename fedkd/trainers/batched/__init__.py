"""Many clients trained as one batched computation."""

from fedkd.trainers.batched.batched import Batched

__all__ = ["Batched"]
