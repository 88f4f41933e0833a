"""Decides how many replicas each workload shall have, says why, and has the cluster do it.

``triggers`` → ``guardrails`` (with ``hpa``) → ``decide`` are plain functions without I/O; ``reconcile`` is the loop
around them; ``cluster`` is where the numbers come from and where the deeds go.
"""
