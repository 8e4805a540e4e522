"""Sweeps: many runs on one machine, the shortest preferred, none of them twice."""
