"""Who is told of which alerts, with which others, and when: Alertmanager's contract, on times that are given."""
