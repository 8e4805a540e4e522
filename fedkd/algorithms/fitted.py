"""A kept state, where the rules that it was made with may be others from now on."""

from __future__ import annotations

from dataclasses import replace

from fedkd.algorithms.algorithm import ServerState


def fitted(state: ServerState, fresh: ServerState) -> ServerState:
    """The state with what another server optimizer, or another teacher, remembers: that begins afresh.

    Args:
        state: as it was kept.
        fresh: the state before a first round, from the kept model.

    Example:
        >>> fitted(of_momentum, adam.start(of_momentum.model)).optimizer.keys()
        dict_keys(['first', 'second'])
    """
    optimizer = state.optimizer if state.optimizer.keys() == fresh.optimizer.keys() else fresh.optimizer
    beside = state.beside if state.beside.keys() == fresh.beside.keys() else fresh.beside
    return replace(state, optimizer=optimizer, beside=beside)
