"""Theta: what an optimizer has learned, as one vector, and its file."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fedkd.errors import ConfigurationError
from fedkd.optimizers.form import DECAYS, FACTORED, MOMENTA, Form

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd_compression import Key

HOME = Path(__file__).with_name("learned")
SUFFIX = ".safetensors"
_CUT = 2.0
"""Deviations at which drawn weights are cut."""


@dataclass(frozen=True, eq=False)
class Theta:
    """A form with its learned numbers.

    What is worked out of the vector (``decays``, ``network``) is kept: the vector is not to be changed in place, and a
    second backward pass through the same theta finds no graph; make another one.

    Args:
        form: what they mean.
        vector: [size]: offsets of the seven decays, then weights [inputs, outputs] and biases, layer by layer.

    Raises:
        ConfigurationError: the vector has another size.
    """

    form: Form
    vector: Tensor

    def __post_init__(self) -> None:
        size = self.vector.shape[-1]
        if size != self.form.size:
            raise ConfigurationError(f"Theta: {size} numbers, but the form has {self.form.size}; choose its own")

    @cached_property
    def decays(self) -> Tensor:
        """1 - exp(10 (log(1 - d) / 10 + offset)) within [0, 1] [7]: of momenta, second moment, factored moments."""
        kept = torch.tensor([1 - decay for decay in DECAYS], dtype=self.vector.dtype, device=self.vector.device)
        return (1 - kept * torch.exp(10 * self.vector[..., : len(DECAYS)])).clamp(0, 1)

    @property
    def momenta(self) -> Tensor:
        """Decays of the momenta [3]."""
        return self.decays[..., : len(MOMENTA)]

    @property
    def second(self) -> Tensor:
        """The decay of the second moment, a scalar."""
        return self.decays[..., len(MOMENTA)]

    @property
    def factored(self) -> Tensor:
        """Decays of the factored second moments [3]."""
        return self.decays[..., -len(FACTORED) :]

    @cached_property
    def network(self) -> tuple[tuple[Tensor, Tensor], ...]:
        """Weights [inputs, outputs] and biases [outputs] of the layers."""
        found, start = [], len(DECAYS)
        for inputs, outputs in self.form.layers:
            middle, stop = start + inputs * outputs, start + (inputs + 1) * outputs
            weight = self.vector[..., start:middle].reshape(*self.vector.shape[:-1], inputs, outputs)
            found.append((weight, self.vector[..., middle:stop]))
            start = stop
        return tuple(found)

    def to(self, like: Tensor) -> Theta:
        """In the type and on the device of a tensor."""
        same = self.vector.dtype == like.dtype and self.vector.device == like.device
        return self if same else Theta(self.form, self.vector.to(like))

    def pack(self, facts: Mapping[str, str]) -> bytes:
        """A safetensors file's bytes, a few kB.

        Args:
            facts: what else it tells: how it was learned.
        """
        from safetensors.torch import save

        form = json.dumps(dataclasses.asdict(self.form))
        return save({name: part.contiguous() for name, part in self._named().items()}, {**facts, "form": form})

    def _named(self) -> dict[str, Tensor]:
        """All parts, in order, as a file names them."""
        named = {"decays": self.vector[: len(DECAYS)]}
        for index, (weight, bias) in enumerate(self.network):
            named |= {f"layers.{index}.weight": weight, f"layers.{index}.bias": bias}
        return named


def drawn(form: Form, stream: Key, dtype: torch.dtype | None = None) -> Theta:
    """Before anything is learned: weights from a normal distribution cut at two deviations, 1/sqrt(inputs) each.

    Args:
        form: what is drawn for.
        stream: of the randomness.
        dtype: of the vector; float32 if none is given.
    """
    parts = [torch.zeros(len(DECAYS), dtype=torch.float64)]
    for index, (inputs, outputs) in enumerate(form.layers):
        uniforms = stream.fold(index).uniforms(inputs * outputs).flatten().double()
        # erf(x / sqrt 2) is the share of a normal distribution within x deviations.
        within = torch.erf(torch.tensor(_CUT / 2**0.5, dtype=torch.float64))
        weight = 2**0.5 * torch.erfinv(within * (2 * uniforms - 1))
        parts += [weight / inputs**0.5, torch.zeros(outputs, dtype=torch.float64)]
    return Theta(form, torch.cat(parts).to(dtype or torch.float32))


def read_theta(name: str) -> Theta:
    """What an optimizer has learned, from the package or from a file.

    Args:
        name: "client" or "server", which come with the package; or a file that ``sims/metatrain.py`` has written.

    Raises:
        ConfigurationError: there is no such file, or it holds something else.
    """
    path = Path(name) if name.endswith(SUFFIX) else HOME / f"{name}{SUFFIX}"
    try:
        form, vector = _parts(path)
    except FileNotFoundError:
        known = ", ".join(sorted(file.stem for file in HOME.glob(f"*{SUFFIX}")))
        raise ConfigurationError(f"theta={name}: no such file; choose one of {known}, or a {SUFFIX} file") from None
    except Exception as error:
        raise ConfigurationError(f"theta={name}: holds no learned optimizer ({error}); choose another file") from None
    if not bool(vector.isfinite().all()):
        raise ConfigurationError(f"theta={name}: has numbers that are not finite; choose another file")
    return Theta(form, vector)


def _parts(path: Path) -> tuple[Form, Tensor]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        form = Form(**json.loads((file.metadata() or {})["form"]))
        shapes = {name: part.shape for name, part in Theta(form, torch.zeros(form.size))._named().items()}
        parts = {name: file.get_tensor(name) for name in shapes}
    for name, part in parts.items():
        if part.shape != shapes[name]:
            raise ValueError(f"{name} is {[*part.shape]}, not {[*shapes[name]]}")
    return form, torch.cat([part.flatten() for part in parts.values()])
