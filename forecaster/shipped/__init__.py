"""What a forecast can lean on before its own history teaches anything: coefficients trained on made workloads.

``workloads`` makes the series, ``train`` (``python -m forecaster.shipped.train``) fits ``coefficients.npz`` to them,
``coefficients`` reads that file.
"""
