"""Relational self-supervised learning: what is run, and what is said of it."""
