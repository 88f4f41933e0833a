"""What the external-metrics adapter and KEDA's scaler share: which forecast is meant, and what it says now."""
