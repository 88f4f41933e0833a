"""``foretide keda-scaler``: forecasts as a trigger of KEDA's ScaledObjects, an external scaler over gRPC."""
