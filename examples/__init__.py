"""Programs that show Foretide at work; no part of the distribution."""
