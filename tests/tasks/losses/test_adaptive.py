"""FedKD's loss: its value, its denominators, which are weights, and both networks' parts of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fedkd.tasks import Batch, Matching
from fedkd.tasks.losses import Adaptive, Distance, adaptive_loss

SAMPLES, CLASSES = 7, 4
LOSS = Matching(1.0, 1.0, 0.0, Adaptive(), {})


def draw(seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    random = np.random.default_rng(seed)
    z, f = 2 * random.standard_normal((2, SAMPLES, CLASSES))
    return torch.from_numpy(z), torch.from_numpy(f), torch.from_numpy(random.integers(0, CLASSES, SAMPLES))


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def test_the_divergence_is_summed_over_classes_and_averaged_over_samples() -> None:
    """Not averaged over classes, as the default reduction of torch's KLDivLoss does."""
    z, f, y = draw()
    p, q = softmax(z.numpy()), softmax(f.numpy())
    rows = np.arange(SAMPLES)
    labels = -np.log(p[rows, y]).mean() - np.log(q[rows, y]).mean()
    divergence = (q * np.log(q / p)).sum() / SAMPLES
    assert adaptive_loss(z, f, y).item() == pytest.approx(divergence / labels, rel=1e-12)


def test_the_whole_is_both_cross_entropies_and_both_divergences_over_their_sum() -> None:
    z, f, y = draw()
    cross = torch.nn.functional.cross_entropy
    log_p, log_q = z.log_softmax(-1), f.log_softmax(-1)
    both = cross(z, y) + cross(f, y)
    divergences = sum(
        torch.nn.functional.kl_div(one, other, reduction="batchmean", log_target=True)
        for one, other in ((log_p, log_q), (log_q, log_p))
    )
    found = LOSS.loss(z, Batch(z, y, f)) + LOSS.loss(f, Batch(f, y, z))
    torch.testing.assert_close(found, both + divergences / both)


def test_the_denominators_are_no_part_of_the_slope() -> None:
    z, f, y = draw()
    z.requires_grad_()
    log_p, log_q = z.log_softmax(-1), f.log_softmax(-1)
    divergence = torch.nn.functional.kl_div(log_p, log_q, reduction="batchmean", log_target=True)
    doubt = torch.nn.functional.cross_entropy(z, y) + torch.nn.functional.cross_entropy(f, y)
    (right,) = torch.autograd.grad(divergence / doubt.detach(), z, retain_graph=True)
    (wrong,) = torch.autograd.grad(divergence / doubt, z)
    found = Adaptive().gradient(z.detach(), f, y)
    torch.testing.assert_close(found, right, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(found, Distance.gradient(Adaptive(), z.detach(), f, y), rtol=1e-12, atol=1e-14)
    assert (found - wrong).norm() > 1e-3


def test_many_models_at_once_are_each_alone() -> None:
    z, f, y = (torch.stack(parts) for parts in zip(*(draw(seed) for seed in range(3)), strict=True))
    losses, gradients = Adaptive().loss(z, f, y), Adaptive().gradient(z, f, y)
    for model in range(3):
        torch.testing.assert_close(losses[model], Adaptive().loss(z[model], f[model], y[model]))
        torch.testing.assert_close(gradients[model], Adaptive().gradient(z[model], f[model], y[model]))


def test_a_batch_is_one_thing_since_the_weight_is_its_mean() -> None:
    assert not LOSS.separable


def test_networks_that_know_all_labels_give_numbers() -> None:
    y = torch.tensor([0, 1])
    sure = 200 * torch.eye(2)
    for logits in (sure, sure.double()):
        assert torch.isfinite(Adaptive().gradient(logits, logits / 2, y)).all()
        assert torch.isfinite(Adaptive().loss(logits, logits / 2, y))
