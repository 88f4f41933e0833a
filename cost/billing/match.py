"""Which of our assets a row of the bill is about: by name, and only where both were there at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cost.billing import names
from cost.billing.charges import Charge
from cost.billing.model import AssetKind, Modelled

NOBODY: Final[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One asset with all of its stretches.

    Attributes:
        key: Kind and lower-case id: the same for every stretch.
        name: As Kubernetes knows it.
        start: When it was first seen.
        end: When it was last seen.
    """

    key: str
    kind: AssetKind
    name: str
    start: datetime
    end: datetime
    stretches: tuple[Modelled, ...]


@dataclass(slots=True)
class Matcher:
    """Finds the assets of a charge; what it found for a ResourceId is kept."""

    assets: dict[str, Asset]
    _by_name: dict[tuple[str, ...], set[str]] = field(default_factory=dict)
    _found: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _paths: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Index every name of every asset."""
        for key, asset in self.assets.items():
            self._paths[key] = names.parts(asset.stretches[0].id)
            for name in names.of_asset(asset.stretches[0]):
                self._by_name.setdefault(name, set()).add(key)

    def named(self, resource: str) -> tuple[str, ...]:
        """Keys of the assets that a ResourceId names, at whatever time.

        A name that several assets share names none of them; a path that they lie below names them all.
        """
        if resource not in self._found:
            self._found[resource] = self._look(resource)
        return self._found[resource]

    def _look(self, resource: str) -> tuple[str, ...]:
        for name in names.of_resource(resource):
            keys = self._by_name.get(name, set())
            if len(keys) == 1:
                return tuple(keys)
        path = names.parts(resource)
        return tuple(sorted(key for key, own in self._paths.items() if names.is_ancestor(path, own)))

    def at_that_time(self, charge: Charge) -> tuple[str, ...]:
        """Of those, the ones that were there during the charge."""
        period = charge.period
        if period is None:
            return NOBODY
        start, end = period
        return tuple(
            key for key in self.named(charge.resource) if self.assets[key].start < end and start < self.assets[key].end
        )


def matcher(modelled: Sequence[Modelled]) -> Matcher:
    """Of the rows of a model."""
    rows: dict[str, list[Modelled]] = {}
    for one in modelled:
        rows.setdefault(f"{one.kind}:{one.id.lower()}", []).append(one)
    assets = {
        key: Asset(
            key=key,
            kind=found[0].kind,
            name=found[0].name,
            start=min(one.start for one in found),
            end=max(one.end for one in found),
            stretches=tuple(found),
        )
        for key, found in rows.items()
    }
    return Matcher(assets)
