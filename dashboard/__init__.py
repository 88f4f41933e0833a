"""The two pages that an operator looks at: the fleet, and one service.

It reads through ``dashboard.contract.DataClient`` only; ``app`` builds the in-process one. ``build.mount`` puts the
pages on the API's FastAPI application under ``/ui/``.
"""
