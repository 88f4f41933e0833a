"""Programs that measure Foretide on this machine: ``python -m benchmarks.<name> -o json``."""
