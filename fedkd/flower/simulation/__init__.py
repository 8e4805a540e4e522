"""Flower simulations: the launcher behind ``flower-simulation`` and ``executor=flower``.

``launch`` starts a SuperLink and a conductor for one run alone, and follows the run over the relay; the conductor
submits the Flower app and becomes Flower's simulation, with Ray below it.
"""
