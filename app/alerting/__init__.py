"""Alerts in the running program: rules evaluated by the clock, and what becomes of what they fire."""
