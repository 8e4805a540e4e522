"""A task as a stranger writes it, small, with every habit that global generators allow."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

from fedkd.tasks import Foreign

COUNT = 12


@dataclass(frozen=True)
class Blobs(Foreign):
    """Two classes of points; batches, noise and dropout come from the global generators of three libraries."""

    rate: float = 0.1

    def model(self) -> nn.Module:
        return nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.5), nn.Linear(4, 2))

    def loaders(self, client: int, clients: int) -> tuple[Any, Any]:
        y = torch.arange(COUNT + client) % 2
        x = torch.stack([y - 0.5, torch.linspace(-1, 1, len(y))], dim=1)
        train, test = random_split(TensorDataset(x, y), [len(y) - 4, 4])
        return DataLoader(train, batch_size=4, shuffle=True), DataLoader(test, batch_size=4)

    def train(self, net: nn.Module, loader: Any, device: torch.device) -> float:
        optimizer, loss = torch.optim.SGD(net.parameters(), lr=self.rate), torch.tensor(0.0)
        for x, y in loader:
            noise = torch.from_numpy(np.random.normal(size=x.shape)).float() * random.gauss()
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x + noise), y)
            loss.backward()
            optimizer.step()
        return loss.item()

    def test(self, net: nn.Module, loader: Any, device: torch.device) -> tuple[float, float]:
        x, y = next(iter(loader))
        with torch.no_grad():
            outputs = net(x)
        return nn.functional.cross_entropy(outputs, y).item(), (outputs.argmax(1) == y).float().mean().item()
