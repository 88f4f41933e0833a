"""Savings as one list: simulated in sequence, so that they add up to at most the bill; and where each item stands."""
