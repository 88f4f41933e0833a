"""SLO documents as Prometheus' alerting rules: multi-window burn-rate alerts, for the evaluator or for a rule file."""
