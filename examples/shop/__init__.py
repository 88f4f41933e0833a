"""The demo: a shop whose replicas are real processes, and the edge that sends it a day's load in 24 minutes."""
