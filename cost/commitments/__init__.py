"""What to commit to and what to leave to spot: bought after right-sizing, less what is owned, a part at a time."""
