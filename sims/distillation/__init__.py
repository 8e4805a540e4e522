"""Central distillation as in the paper on asymmetric temperatures: many students of one teacher at once."""
