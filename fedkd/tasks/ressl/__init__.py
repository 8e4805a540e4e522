"""ReSSL: relational self-supervised learning."""

from fedkd.tasks.ressl.task import ReSSL
from fedkd.tasks.ressl.views import Views

__all__ = ["ReSSL", "Views"]
