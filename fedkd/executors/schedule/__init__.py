"""Which client an idle worker gets next within a round."""

from fedkd.executors.schedule.queue import PullQueue

__all__ = ["PullQueue"]
