"""Flower: the same federation over a Flower Grid, in simulation and in deployment.

Nothing else imports flwr, and this does so only when an executor of Flower is chosen.
"""
