"""STAR, a learned optimizer: when its steps are stable, and what it does with what it has learned."""
