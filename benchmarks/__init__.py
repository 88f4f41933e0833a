"""Measurements beside the peers they are compared with: ``python -m benchmarks.<name> --data DIR -o json``."""
