"""``foretide import keda|hpa``: what others scale by, as our documents, and what has no equal among them.

Nothing is applied; what comes out stands in mode ``observe``. Documents go to stdout or into a folder, what has no
equal is told twice: above its document, and on stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TextIO

from app import import_objects
from app.import_hpa import of_hpa
from app.import_keda import of_scaled_object
from app.import_objects import Object
from app.import_policies import with_policies
from app.import_rules import Imported, Written, mistakes_of, rule_of
from app.system_clock import SystemClock
from domain.errors import ForetideError, Mistake
from rules import yaml_tree

MOST_BYTES: Final = 16 * 2**20
"""Of one file: `kubectl get hpa -A -o yaml` of 5,000 HPAs is about 10 MB."""
From = Literal["keda", "hpa"]
_KINDS: Final = {"keda": ("keda.sh", "ScaledObject"), "hpa": ("autoscaling", "HorizontalPodAutoscaler")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line says.

    Attributes:
        files: To read; ``-`` is stdin.
        context: Of the kubeconfig, in place of files.
        trigger_source: What the Prometheus of the triggers is called in foretide.yaml.
        to: Folder that gets one file for each document; None prints them.
    """

    kind: From
    files: tuple[Path, ...] = ()
    context: str | None = None
    kubeconfig: Path | None = None
    namespace: str | None = None
    trigger_source: str | None = None
    to: Path | None = None


def run(asked: Asked, out: TextIO, told: TextIO) -> int:
    """The exit code: 0 documents came out, 1 there is a mistake or nothing came out, 2 nothing could be read."""
    if (asked.context is None) == (not asked.files):
        print("foretide: give files, or --context NAME to read a cluster", file=told)
        return 2
    try:
        found, mistakes = _of_files(asked) if asked.context is None else (list(_of_cluster(asked)), [])
        taken = [one for one in found if asked.namespace in (None, one.namespace)]
        made = [(one, _imported(one, asked)) for one in taken]
        written = with_policies(list(_unique(_written(made))))
        mistakes += [mistake for one in taken for mistake in one.mistakes]
        mistakes.sort(key=lambda mistake: (mistake.file, mistake.line, mistake.column))
        _tell(taken, mistakes, asked, told)
        _hand_over(written, asked.to, out)
    except (OSError, ForetideError) as error:
        print(f"foretide: {error}", file=told)
        return 2
    return 0 if written and not mistakes else 1


# ---- reading


def _of_files(asked: Asked) -> tuple[list[Object], list[Mistake]]:
    objects: list[Object] = []
    mistakes: list[Mistake] = []
    for file in asked.files:
        stdin = str(file) == "-"
        raw = sys.stdin.buffer.read(MOST_BYTES + 1) if stdin else file.read_bytes()
        reading = yaml_tree.read(raw, file="stdin" if stdin else str(file), most_bytes=MOST_BYTES)
        mistakes += [*reading.mistakes, *(mistake for one in reading.documents for mistake in one.mistakes)]
        objects += [one for document in reading.documents for one in import_objects.objects(document)]
    return [one for one in objects if _is_meant(one, asked.kind)], mistakes


def _is_meant(one: Object, kind: From) -> bool:
    """``kubectl get`` writes lists of mixed kinds; the others are passed over."""
    return (one.api_group, one.kind) == _KINDS[kind]


def _of_cluster(asked: Asked) -> Iterator[Object]:
    from kube import kinds  # the package kubernetes takes 0.6 s
    from kube.access import Access, connect
    from kube.listing import listed

    connection = connect(Access(kubeconfig=asked.kubeconfig, context=asked.context), clock=SystemClock())
    kind = (kinds.SCALED_OBJECT if asked.kind == "keda" else kinds.HPA).as_dicts()
    for data in listed(connection, kind, namespace=asked.namespace).objects.values():
        full = {**data, "apiVersion": kind.api_version, "kind": kind.kind}  # a list's items leave them out
        yield import_objects.of_cluster(full, f"context {asked.context}")


# ---- making


def _imported(one: Object, asked: Asked) -> Imported | None:
    if not one.name:
        one.need("metadata", "name")
        return None
    return of_scaled_object(one, source=asked.trigger_source) if asked.kind == "keda" else of_hpa(one)


def _written(made: Sequence[tuple[Object, Imported | None]]) -> Iterator[tuple[Object, Written]]:
    for one, imported in made:
        if imported is not None and (written := rule_of(imported)) is not None:
            yield one, written


def _unique(written: Iterator[tuple[Object, Written]]) -> Iterator[Written]:
    """One rule for each workload: what a second autoscaler says of it is told, and left out."""
    first: dict[tuple[str, str, str], str] = {}
    for one, document in written:
        target = document.spec["target"]
        place = (document.namespace, target["kind"], target["name"])
        other = first.setdefault(place, document.origin)
        if other != document.origin:
            one.refuse(("spec", "scaleTargetRef"), f"{target['kind']} {target['name']} is already scaled by {other}")
        else:
            yield document


# ---- telling


def _tell(objects: Sequence[Object], mistakes: Sequence[Mistake], asked: Asked, told: TextIO) -> None:
    for mistake in mistakes:
        print(mistake, file=told)
    for one in objects:
        for unequal in one.unequal:
            print(f"{unequal.place}: {one.title}: {unequal.field}: no equal: {unequal.told}", file=told)
    if not objects:
        print(f"foretide: no {_KINDS[asked.kind][1]} was found", file=told)


def _hand_over(written: Sequence[Written], folder: Path | None, out: TextIO) -> None:
    for one in written:
        if mistakes := mistakes_of(one):
            raise ForetideError(f"{one.kind} {one.namespace}/{one.name} came out wrong: {mistakes[0]}")
    if folder is None:
        out.write("---\n".join(one.text() for one in written))
        return
    folder.mkdir(parents=True, exist_ok=True)
    for one in written:
        with (folder / f"{one.namespace}.{one.name}.yaml").open("x", encoding="utf-8") as file:
            file.write(one.text())
