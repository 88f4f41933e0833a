"""`foretide backtest RULE`: a rule replayed on what was recorded, its figures, the verdict, and the report.

``recorded`` (a file) or ``running`` (this Foretide) → ``study`` → ``report`` → ``tables``, ``page``.
"""
