"""Prometheus' rule files: read strictly, with the place of every mistake, and linted as promtool does."""
