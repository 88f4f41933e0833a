"""Go's text/template with Prometheus' functions, for labels and annotations of alerts.

Takes a text, an alert's data and a way to ask PromQL; gives the text filled in, or a ``TemplateError`` with Go's words.
It reaches nothing else: no files, no environment, no attributes of Python objects, bounded in steps and in length.
"""

from alerts.templates.errors import TemplateError
from alerts.templates.expand import AlertData, Surroundings, check, expand, expand_for_alert

__all__ = ["AlertData", "Surroundings", "TemplateError", "check", "expand", "expand_for_alert"]
