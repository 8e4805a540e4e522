"""Which worker trains which client within a round."""

from fedkd.executors.schedule.choice import STICKY, Schedule
from fedkd.executors.schedule.matched import Matched
from fedkd.executors.schedule.queue import PullQueue

__all__ = ["STICKY", "Matched", "PullQueue", "Schedule"]
