"""What things cost in an hour, and how anybody knows: sheets, a bill, OpenCost's files and metrics, defaults."""
