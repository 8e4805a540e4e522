"""The task of task.py, as fedkd runs it."""

from dataclasses import dataclass

import task

from fedkd.tasks import Foreign


@dataclass(frozen=True)
class Quickstart(Foreign):
    """The four functions of task.py; the fields are what a configuration may set."""

    epochs: int = 2
    lr: float = 0.1

    def model(self):
        """Its network."""
        return task.Net()

    def loaders(self, client, clients):
        """A client is a partition."""
        return task.load_data(client, clients)

    def train(self, net, loader, device):
        """In place; the result is the loss."""
        return task.train(net, loader, self.epochs, self.lr, device)

    def test(self, net, loader, device):
        """Loss and accuracy."""
        return task.test(net, loader, device)
