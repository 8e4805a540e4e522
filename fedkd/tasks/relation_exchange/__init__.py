"""Relation exchange: clients of different architectures learn from one another how anchors lie to one another."""

from fedkd.tasks.relation_exchange.task import RelationExchange

__all__ = ["RelationExchange"]
