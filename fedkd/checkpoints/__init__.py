"""Checkpoints: the whole state of a run, written so that no crash and no full disk loses what was committed."""

from fedkd.checkpoints.folder import Checkpoints, RunState
from fedkd.checkpoints.tensors import write_tensors

__all__ = ["Checkpoints", "RunState", "write_tensors"]
