"""promtool's unit tests of rules: series written down, rules evaluated over them, alerts and expressions compared."""
