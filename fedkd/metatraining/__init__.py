"""Meta-training: how a learned optimizer learns, by persistent evolution strategies on families of tasks."""
