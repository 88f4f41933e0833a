"""Evaluates groups of rules as Prometheus does: alerts pend, fire, resolve; recording rules write series.

Takes rules, a way to ask PromQL and the time; gives samples to write and alerts to send. Reads no clock and no file.
"""
