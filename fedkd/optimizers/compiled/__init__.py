"""The learned update as loops for a CPU, compiled with numba at their first use, then kept on disk."""
