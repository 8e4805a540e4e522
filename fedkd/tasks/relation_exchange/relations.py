"""Relations among anchors: what is sent, what is taught of it, and how good it is.

    r_ab = softmax over b != a of z_a . z_b / tau

Letters: A anchors, o numbers of an embedding. A table [A, A - 1] leaves out the diagonal: in row a, b goes through all
anchors but a. The exchange of such tables is after FLESD (H. Shi et al., arXiv 2109.14611), which sends similarities.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from fedkd.tasks.ressl.relations import SHORTEST, normalised

if TYPE_CHECKING:
    from torch import Tensor

    from fedkd.tasks.base import Batch


def among(z: Tensor, tau: float) -> Tensor:
    """Relations of embeddings z [A, o] at length 1 to one another; shape [A, A - 1], every row sums to 1."""
    return torch.softmax(_cosines(z) / tau, dim=-1)


def target(x: Tensor) -> Tensor:
    """What a received table [A, A - 1] teaches: at least 0, and rows that sum to 1 again.

    Compression may have made entries negative. A row without a positive entry says nothing, and stays 0.
    """
    positive = x.clamp(min=0)
    sums = positive.sum(-1, keepdim=True)
    return positive / torch.where(sums > 0, sums, torch.ones_like(sums))


class AnchorAim:
    """What a student is to answer to all anchors at once; the slope of the loss in its outputs.

        loss = mean over a of CE(t_a, p_a),    p = among(outputs at length 1, tau)

    Args:
        taught: t [A, A - 1], rows that sum to 1, or to 0 where nothing is taught.
        tau: the student's temperature, > 0.
    """

    separable = False

    def __init__(self, taught: Tensor, tau: float) -> None:
        self._taught, self._tau = taught, tau

    def loss(self, outputs: Tensor) -> Tensor:
        """In nats, a scalar, of outputs [A, o]."""
        logs = torch.log_softmax(_cosines(normalised(outputs)) / self._tau, dim=-1)
        return -(self._taught * logs).sum(-1).mean()

    def gradient(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Of the loss in the outputs [A, o], in closed form.

        With z = y / |y| and D = (p - t) / (tau A), 0 on the diagonal, the gradient in z is g = (D + D^T) Z: an anchor
        is compared, and compared with. In y it is (g - z (z . g)) / |y|.
        """
        lengths = outputs.norm(dim=-1, keepdim=True).clamp_min(SHORTEST)
        z = outputs / lengths
        wrong = among(z, self._tau) * self._taught.sum(-1, keepdim=True) - self._taught
        apart = _with_diagonal(wrong / (self._tau * len(z)))
        slope = (apart + apart.T) @ z
        gradient: Tensor = (slope - z * (z * slope).sum(-1, keepdim=True)) / lengths
        return gradient


def leave_one_out(table: Tensor, labels: Tensor) -> float:
    """Accuracy of a vote: an anchor is of the class whose anchors it is related to most, itself left out.

    Of classes with equal sums the lowest wins; a table that is not finite has no accuracy: NaN.

    Shapes: table [A, A - 1]; labels [A].
    """
    if not bool(table.isfinite().all()):
        return float("nan")
    votes = _with_diagonal(table.double()) @ torch.nn.functional.one_hot(labels).double()
    return float((votes.argmax(-1) == labels).double().mean())


def _cosines(z: Tensor) -> Tensor:
    return _without_diagonal(z @ z.T)


def _without_diagonal(square: Tensor) -> Tensor:
    """[A, A] to [A, A - 1]: behind each element of the diagonal come A others before the next."""
    count = len(square)
    return square.reshape(-1)[1:].view(count - 1, count + 1)[:, :-1].reshape(count, count - 1)


def _with_diagonal(table: Tensor) -> Tensor:
    """[A, A - 1] to [A, A], 0 on the diagonal."""
    count = len(table)
    between = torch.nn.functional.pad(table.reshape(count - 1, count), (0, 1))
    return torch.nn.functional.pad(between.reshape(-1), (1, 0)).view(count, count)
