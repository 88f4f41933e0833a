"""The routes in foretide.yaml's section ``alerting``, in Alertmanager's words; the rest of it is delivery's."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from alerts.routing.read import SECTION, RoutingReading, read
from alerts.rule_file import yaml_nodes
from alerts.rule_file.yaml_nodes import Mapping
from app.alerting.section import AlertingSection
from domain.errors import Mistake, SettingsError
from rules.receiver import Receiver

_OTHERS = tuple(name for name in AlertingSection.model_fields if name not in (*SECTION, "global_"))


def read_routes(path: Path, *, handed_over: bool) -> RoutingReading:
    """What the file says about routes; nothing where the section has none of these fields.

    Raises:
        SettingsError: Every mistake at its place, or that there are Alertmanagers as well.
    """
    top = yaml_nodes.read(path.read_bytes())
    section = top.entries.get("alerting") if isinstance(top, Mapping) else None
    if section is None or not isinstance(section[1], Mapping) or not set(SECTION) & set(section[1].entries):
        return RoutingReading()
    reading = read(section[1], file=str(path), others=_OTHERS)
    if reading.mistakes:
        raise SettingsError("\n".join(map(str, reading.mistakes)))
    if handed_over:
        raise SettingsError(f"{path}: alerting.route: goes without alertmanagers, which are told everything; drop one")
    return reading


def unknown_receivers(reading: RoutingReading, known: Iterable[Receiver], path: Path | None) -> list[Mistake]:
    """A line for each receiver of a route that no document describes; ``name`` is ``default/name``."""
    names = {receiver.key for receiver in known}
    names |= {name.removeprefix("default/") for name in names}
    return reading.unknown_receivers(names, str(path))
