"""Alerts that an Alertmanager sends here: its webhook, and the series that triggers ask for."""
