"""What replicas cost and how much of a budget is gone: ``Decimal`` from end to end, no clock, no I/O."""
