"""Convex studies: all clients and all seeds of a federated run as batched tensors, with the framework's own results."""
