"""Puts the house together: settings, wiring, HTTP, schedule, telemetry, command line.

The only package that reads the environment and the clock. A newcomer starts at ``wiring.py``.
"""
