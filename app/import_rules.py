"""What an importer found becomes rule documents that ``foretide check`` accepts, or says why none came out.

A trigger that the check refuses (PromQL that cannot be evaluated, a number out of range) is left out and told, and the
rest of its rule stays: the mistake is at the field where it was written.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

import yaml

from app.check import check_query
from app.import_objects import Object, Unequal
from domain.errors import Mistake
from rules import yaml_tree
from rules.document import API_VERSION
from rules.validate import validate
from rules.yaml_tree import Path

_OF_TRIGGER: Final = re.compile(r"spec\.triggers\[([0-9]+)\]")
_NAME: Final = re.compile(r"[^a-z0-9]+")
_LONGEST_NAME: Final = 56
"""A label has 63 characters; the rest is for a number that makes it unique."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One trigger of the rule, and where it was written."""

    name: str
    says: dict[str, Any]
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """One object as a rule, before anybody has checked it.

    Attributes:
        target: The workload, as a rule names it.
        spec: The rule's spec without target and triggers.
    """

    source: Object
    target: dict[str, str]
    spec: dict[str, Any]
    triggers: tuple[Trigger, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A document, ready to be printed: ``spec`` is what stands in it, ``unequal`` what it cannot say."""

    kind: str
    namespace: str
    name: str
    spec: dict[str, Any]
    origin: str
    unequal: tuple[Unequal, ...]
    comments: tuple[str, ...] = ()

    def data(self) -> dict[str, Any]:
        """The whole document."""
        metadata = {"name": self.name, "namespace": self.namespace}
        return {"apiVersion": API_VERSION, "kind": self.kind, "metadata": metadata, "spec": self.spec}

    def text(self) -> str:
        """With what has no equal above it, as comments."""
        heads = [f"From {self.origin}.", *(f"No equal: {one.field}: {one.told}." for one in self.unequal)]
        comments = "".join(f"# {_one_line(line)}\n" for line in (*heads, *self.comments))
        return comments + yaml.dump(self.data(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Numbers as they were written."""


_Dumper.add_representer(
    Decimal, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:float", f"{value.normalize():f}")
)


def rule_of(imported: Imported) -> Written | None:
    """The rule, without the triggers that the check refuses; None where nothing of it is left."""
    source = imported.source
    imported = replace(imported, triggers=_named(imported.triggers))
    while imported.triggers:
        written = _written(imported)
        mistakes = mistakes_of(written)
        if not mistakes:
            return replace(written, unequal=tuple(source.unequal))
        refused = {index: one.message for one in reversed(mistakes) if (index := _trigger(one)) is not None}
        if not refused:
            _refuse(source, mistakes[0])
            return None
        for index, message in sorted(refused.items()):
            source.no_equal(imported.triggers[index].path, f"as a trigger of a rule it is refused: {message}")
        imported = _without(imported, set(refused))
    source.no_equal(("spec",), "nothing is left that a rule could scale on, so no rule comes out")
    return None


def mistakes_of(written: Written) -> list[Mistake]:
    """What ``foretide check`` says against it."""
    reading = yaml_tree.read(written.text().encode(), file="")
    said = [mistake for one in reading.documents for mistake in validate(one, check_query=check_query).mistakes]
    return [*reading.mistakes, *said]


def _written(imported: Imported) -> Written:
    source = imported.source
    triggers = [{"name": one.name, **one.says} for one in imported.triggers]
    spec = {"target": imported.target, **imported.spec, "triggers": triggers}
    return Written(
        kind="ScalingRule", namespace=source.namespace, name=source.name, spec=_ordered(spec),
        origin=f"{source.title} ({source.place})", unequal=(),
    )  # fmt: skip


def _ordered(spec: dict[str, Any]) -> dict[str, Any]:
    """Behavior and pause last, as the documentation has them."""
    last = ("combine", "behavior", "pause")
    first = {name: value for name, value in spec.items() if name not in last}
    return first | {name: spec[name] for name in last if name in spec}


def _named(triggers: Sequence[Trigger]) -> tuple[Trigger, ...]:
    """Names are unique: of two alike the second is ``cpu-2``."""
    taken: set[str] = set()
    made = []
    for one in triggers:
        number, name = 1, one.name
        while name in taken:
            number += 1
            name = f"{one.name}-{number}"
        taken.add(name)
        made.append(replace(one, name=name))
    return tuple(made)


def as_label(text: str, *, otherwise: str) -> str:
    """A name of somebody else's as one of ours."""
    return _NAME.sub("-", text.lower()).strip("-")[:_LONGEST_NAME].strip("-") or otherwise


def _without(imported: Imported, refused: set[int]) -> Imported:
    kept = tuple(one for index, one in enumerate(imported.triggers) if index not in refused)
    spec = dict(imported.spec)
    if spec.pop("combine", None) is not None:
        path: Path = ("spec", "advanced", "scalingModifiers", "formula")
        imported.source.no_equal(path, "a trigger of it is left out: the largest of the others wins")
    return replace(imported, triggers=kept, spec=spec)


def _trigger(mistake: Mistake) -> int | None:
    found = _OF_TRIGGER.match(mistake.field)
    return None if found is None else int(found[1])


def _refuse(source: Object, mistake: Mistake) -> None:
    told = f"{mistake.field}: {mistake.message}" if mistake.field else mistake.message
    source.refuse((), f"the rule that comes out is none: {told}")


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
