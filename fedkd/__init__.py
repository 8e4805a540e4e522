"""fedkd: federated and distributed learning with distillation on clients and real bytes in both directions."""

__version__ = "0.1.0"
