"""What is wrong with a template, in Go's words."""

from __future__ import annotations


class TemplateError(Exception):
    """A template that cannot be parsed or executed; the message carries name, line and column as Go's does."""


class CallError(Exception):
    """What a function refuses; the executor says where it stands."""
