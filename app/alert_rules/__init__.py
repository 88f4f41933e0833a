"""Prometheus' rule files and their unit tests, from the command line and in the running program."""
