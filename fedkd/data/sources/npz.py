"""A user's own arrays in one .npz file."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import torch

from fedkd.data.bounds import at_least, fraction
from fedkd.data.dataset import Dataset, Source, Split
from fedkd.errors import ConfigurationError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fedkd_compression.keys import Key

    Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Npz(Source):
    """Arrays x, y and optionally x_test, y_test and owner; nothing is standardised, nothing is unpickled.

    Labels that are -1 and +1 alone are logistic regression, other integers are the classes 0, 1, ..., other
    real numbers are targets of regression. Samples are float32 for classes, else float64.

    Args:
        path: the file.
        public: held-out samples that no client holds, drawn by the key.
        test_fraction: share of the samples that tests, drawn by the key, in [0, 1); 0 where x_test is there.

    Shapes: x [n, ...]; y [n]; owner [n] integer client ids; x_test, y_test likewise.
    """

    path: str
    public: int
    test_fraction: float

    def __post_init__(self) -> None:
        at_least(self, "public", 0)
        fraction(self, "test_fraction")

    def check(self) -> None:
        """Refuse a missing file."""
        if not Path(self.path).expanduser().is_file():
            self._refuse("is missing", "set data.path to an .npz file with arrays x and y")

    def load(self, key: Key) -> Dataset:
        """Read, verify, draw the public and the test samples."""
        self.check()
        arrays = self._read()
        self._verify(arrays)
        kinds, classes = self._kinds(arrays)
        whole = _split(arrays["x"], arrays["y"], kinds)
        held = int(self.test_fraction * len(whole))
        order = key.fold("held").permutation(len(whole))
        train = np.sort(order[held + self.public :])
        test = whole.take(np.sort(order[:held]))
        if "x_test" in arrays:
            test = _split(arrays["x_test"], arrays["y_test"], kinds)
        public = whole.take(np.sort(order[held : held + self.public]))
        owner = arrays["owner"][train].astype(np.int64) if "owner" in arrays else None
        return Dataset(Path(self.path).stem, whole.take(train), test, public, classes, owner)

    def _read(self) -> Arrays:
        try:
            with Path(self.path).expanduser().open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, AttributeError, TypeError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            self._refuse(f"cannot be read ({reason})", "write it with numpy.savez(path, x=..., y=...)")

    def _verify(self, arrays: Arrays) -> None:
        """Every array that is needed is there, numeric, finite and as long as its partners."""
        has_test = "x_test" in arrays or "y_test" in arrays
        wanted = ("x", "y", "x_test", "y_test") if has_test else ("x", "y")
        for name in wanted:
            if name not in arrays or not arrays[name].ndim:
                self._refuse(f"has no array {name}", "add it, one row a sample")
        for name in (*wanted, "owner") if "owner" in arrays else wanted:
            rows = len(arrays["x_test" if name.endswith("_test") else "x"])
            self._verify_array(name, arrays[name], rows)
        if has_test and self.test_fraction:
            self._refuse(f"has x_test, yet test_fraction={self.test_fraction}", "set test_fraction=0")
        left = len(arrays["y"]) - int(self.test_fraction * len(arrays["y"])) - self.public
        if left < 1:
            self._refuse(f"leaves {left} training samples after public={self.public}", "hold out fewer")

    def _verify_array(self, name: str, array: NDArray[Any], rows: int) -> None:
        flat = not name.startswith("x")
        kinds = "iu" if name == "owner" else "biuf"
        if array.dtype.kind not in kinds or len(array) != rows or (flat and array.ndim != 1):
            wanted = "integers" if name == "owner" else "numbers"
            self._refuse(f"has {name} {array.dtype}{list(array.shape)}", f"store {rows} {wanted}, one a row of x")
        if not np.isfinite(array).all():
            self._refuse(f"has NaN or infinity in {name}", "clean the array")

    def _kinds(self, arrays: Arrays) -> tuple[tuple[type, type], int]:
        """Types of samples and labels, and the number of classes."""
        labels = np.concatenate([arrays["y"], arrays["y_test"]]) if "y_test" in arrays else arrays["y"]
        if set(np.unique(labels)) == {-1, 1}:
            return (np.float64, np.float64), 2
        if labels.dtype.kind == "f":
            return (np.float64, np.float64), 0
        if labels.min() < 0:
            self._refuse(f"has class {labels.min()}", "number the classes 0, 1, ... or use -1 and +1 alone")
        return (np.float32, np.int64), int(labels.max()) + 1

    def _refuse(self, fault: str, fix: str) -> NoReturn:
        raise ConfigurationError(f"Npz: {self.path} {fault}; {fix}")


def _split(x: NDArray[Any], y: NDArray[Any], kinds: tuple[type, type]) -> Split:
    return Split(torch.from_numpy(x.astype(kinds[0])), torch.from_numpy(y.astype(kinds[1])))
