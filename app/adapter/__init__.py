"""``foretide adapter``: forecasts as external metrics, behind Kubernetes' aggregation layer."""
