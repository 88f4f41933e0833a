"""Replay a workload against controllers: the simulator."""
