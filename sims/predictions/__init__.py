"""What predictions that are learned cost, in made-up instances: regret, error, places."""
