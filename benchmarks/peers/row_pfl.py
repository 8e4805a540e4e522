"""Apple's pfl: its simulated backend and its FedAvg, with one resident model a process; two under torchrun."""

from __future__ import annotations

import itertools
import os

# Read when pfl is imported.
os.environ["PFL_PYTORCH_DEVICE"] = "cpu"

import torch
from pfl.aggregate.simulate import SimulatedBackend
from pfl.algorithm.base import NNAlgorithmParams
from pfl.algorithm.federated_averaging import FederatedAveraging
from pfl.callback.base import TrainingProcessCallback
from pfl.data.federated_dataset import FederatedDataset
from pfl.data.pytorch import PyTorchTensorDataset
from pfl.hyperparam.base import NNTrainHyperParams
from pfl.metrics import Metrics, Weighted
from pfl.model.base import Model
from pfl.model.pytorch import PyTorchModel
from torch import Tensor, nn
from work import Watch, Work, begin, parser, vector

NEVER = 10**9


class Classifier(nn.Module):
    """The network as pfl wants it: with its loss and its metrics."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def loss(self, x: Tensor, y: Tensor, is_eval: bool = False) -> Tensor:
        """Cross-entropy; the network behaves the same in training and evaluation."""
        return nn.functional.cross_entropy(self.network(x), y)

    @torch.no_grad()
    def metrics(self, x: Tensor, y: Tensor) -> dict[str, Weighted]:
        """Asked in evaluations only, of which there are none."""
        return {"loss": Weighted(self.loss(x, y).item() * len(y), len(y))}


class Ticks(TrainingProcessCallback):
    """Tells the watch when a round is over; only the first process has one."""

    def __init__(self, watch: Watch, classifier: Classifier) -> None:
        self._watch, self._classifier = watch, classifier

    def on_train_begin(self, *, model: Model) -> Metrics:
        """The first round begins."""
        self._watch.start()
        return Metrics()

    def after_central_iteration(
        self, aggregate_metrics: Metrics, model: Model, *, central_iteration: int
    ) -> tuple[bool, Metrics]:
        """A round is over; go on."""
        self._watch.tick(lambda: vector(self._classifier))
        return False, Metrics()


def users(work: Work) -> FederatedDataset:
    """The clients of all cohorts, one after another; their samples are gathered when they are asked for."""
    turns = itertools.product(range(work.rounds), range(work.cohort))
    return FederatedDataset(lambda turn: PyTorchTensorDataset(work.samples(*turn)), lambda: next(turns))


def main() -> None:
    """Run the row."""
    work, watch = begin(parser(__doc__).parse_args())
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    classifier, data = Classifier(work.network()), users(work)
    model = PyTorchModel(classifier, torch.optim.SGD, torch.optim.SGD(classifier.parameters(), lr=1.0))
    world, first = int(os.environ.get("WORLD_SIZE", "1")), os.environ.get("RANK", "0") == "0"
    FederatedAveraging().run(
        NNAlgorithmParams(
            central_num_iterations=work.rounds,
            evaluation_frequency=NEVER,
            train_cohort_size=work.cohort,
            val_cohort_size=0,
        ),
        SimulatedBackend(training_data=data, val_data=data),
        model,
        NNTrainHyperParams(local_num_epochs=1, local_learning_rate=work.rate, local_batch_size=work.batch),
        None,
        callbacks=[Ticks(watch, classifier)] if first else [],
        send_metrics_to_platform=False,
    )
    if first:
        several = f"torchrun, {world} processes, 1 thread each, gloo"
        watch.finish(several if world > 1 else f"1 process, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
