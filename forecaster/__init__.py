"""What a signal will be over the next hours, and how sure that is.

``run`` is the loop, ``fit`` the pure function that it hands to worker processes; ``models`` hold what competes,
``backtest`` what chooses, ``calibrate`` what draws the band, ``guard`` what refuses nonsense.
"""
