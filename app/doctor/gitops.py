"""Whether who manages an autoscaler would undo our bounds, as its Application, Kustomization or HelmRelease tells."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from app.doctor import snippets
from app.doctor.asking import Told, ask
from app.doctor.findings import Finding, Level
from app.doctor.managers import Manages, Tool
from controller.cluster.kubernetes_autoscalers import MANAGER, Autoscaler
from domain.errors import KubeError
from kube import Connection, listed
from kube.kinds import Kind, custom

_APPLICATION: Final = custom(
    group="argoproj.io", version="v1alpha1", kind="Application", plural="applications"
)  # fmt: skip
_KUSTOMIZATION: Final = custom(
    group="kustomize.toolkit.fluxcd.io", version="v1", kind="Kustomization", plural="kustomizations"
)
_HELM_RELEASE: Final = custom(
    group="helm.toolkit.fluxcd.io", version="v2", kind="HelmRelease", plural="helmreleases"
)  # fmt: skip
_CRD: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/kustomizations.kustomize.toolkit.fluxcd.io"
_SSA: Final = "kustomize.toolkit.fluxcd.io/ssa"
_RECONCILE: Final = "kustomize.toolkit.fluxcd.io/reconcile"
_DRIFT: Final = "helm.toolkit.fluxcd.io/driftDetection"
Asked = Mapping[str, Any]


class GitOps:
    """Asks once for each Application, Kustomization, HelmRelease."""

    def __init__(self, connection: Connection) -> None:
        """Nothing is asked yet."""
        self._connection = connection
        self._told: dict[tuple[str, str, str], Told] = {}
        self._ignores: str | None = None

    def judge(self, found: Autoscaler, by: Manages) -> Finding:
        """Whether ``by`` would undo our bounds of ``found``.

        Raises:
            KubeError: The server does not answer at all.
        """
        if not by.fields:
            return _finding(Level.OK, found, by, "manages it, but not its bounds")
        judges: dict[Tool, Callable[[Autoscaler, Manages], Finding]] = {
            Tool.ARGO_CD: self._argo_cd, Tool.FLUX_KUSTOMIZE: self._kustomization, Tool.FLUX_HELM: self._helm_release,
        }  # fmt: skip
        return judges[by.tool](found, by) if by.tool in judges else _others(found, by)

    # ---- Argo CD

    def _argo_cd(self, found: Autoscaler, by: Manages) -> Finding:
        told = self._application(by)
        what, snippet = f"Application {_name(by)}", snippets.argo_cd(found)
        do = f"paste into {what}; RespectIgnoreDifferences counts only together with ignoreDifferences"
        if told.object is None:
            why = f" (it could not be read{_because(told.untold)})"
            says = (
                f"would write its {_fields(by)} at its next sync, with selfHeal within seconds, unless told otherwise"
            )
            return _finding(Level.ERROR, found, by, says + why, do, snippet)
        spec = told.object.get("spec") or {}
        policy = spec.get("syncPolicy") or {}
        ignored = any(_argo_ignores(rule, found, by.fields) for rule in spec.get("ignoreDifferences") or ())
        respected = "RespectIgnoreDifferences=true" in (policy.get("syncOptions") or ())
        if ignored and respected:
            return _finding(Level.OK, found, by, f"leaves {_fields(by)} to us: {what} ignores them, in a sync too")
        if ignored:
            says = f"does not compare {_fields(by)}, but each sync of {what} writes them"
            return _finding(Level.WARNING, found, by, says, do, snippet)
        automated = policy.get("automated")
        if automated is None or automated.get("enabled") is False:
            return _finding(
                Level.WARNING, found, by, f"writes {_fields(by)} at each sync by hand of {what}", do, snippet
            )
        if automated.get("selfHeal"):
            says = f"undoes {_fields(by)} within seconds: {what} has selfHeal"
            return _finding(Level.ERROR, found, by, says, do, snippet)
        return _finding(Level.ERROR, found, by, f"writes {_fields(by)} at each sync of {what}", do, snippet)

    def _application(self, by: Manages) -> Told:
        """Found by name in whatever namespace; in ``argocd`` when there are several."""
        namespace, name = by.named
        if not name:
            return Told(untold="the object does not tell which one")
        if ("Application", namespace, name) not in self._told:
            self._told["Application", namespace, name] = self._listed(_APPLICATION, namespace, name)
        return self._told["Application", namespace, name]

    def _listed(self, kind: Kind[dict[str, Any]], namespace: str, name: str) -> Told:
        selector = f"metadata.name={name}"
        try:
            objects = listed(self._connection, kind, namespace=namespace or None, field_selector=selector).objects
        except KubeError as error:
            if error.status == 0:
                raise
            return Told(untold="" if error.status == 404 else str(error))
        ones = list(objects.values()) if len(objects) == 1 else [objects[key] for key in objects if key[0] == "argocd"]
        return Told(object=ones[0]) if ones else Told(untold=f"{len(objects)} of that name" if objects else "")

    # ---- Flux

    def _kustomization(self, found: Autoscaler, by: Manages) -> Finding:
        own = {name: _annotated(found, name).lower() for name in (_SSA, _RECONCILE)}
        if own[_SSA] in ("ifnotpresent", "ignore") or own[_RECONCILE] == "disabled":
            name = _SSA if own[_SSA] in ("ifnotpresent", "ignore") else _RECONCILE
            return _finding(Level.OK, found, by, f"leaves it alone: annotation {name}: {_annotated(found, name)}")
        told, what = self._object(_KUSTOMIZATION, by), f"Kustomization {_name(by)}"
        spec = (told.object or {}).get("spec") or {}
        rules = [rule for name in snippets.IGNORE_FIELDS for rule in spec.get(name) or ()]
        if any(_flux_ignores(rule, found, by.fields) for rule in rules):
            return _finding(Level.OK, found, by, f"leaves {_fields(by)} to us: {what} ignores them")
        do, snippet = self._kustomization_remedy(found, by, what)
        if spec.get("suspend"):
            says = f"is suspended ({what}) and writes {_fields(by)} as soon as it goes on"
            return _finding(Level.WARNING, found, by, says, do, snippet)
        every = f"every {spec['interval']}" if "interval" in spec else "at every interval"
        return _finding(Level.ERROR, found, by, f"undoes {_fields(by)} {every} ({what})", do, snippet)

    def _kustomization_remedy(self, found: Autoscaler, by: Manages, what: str) -> tuple[str, str]:
        name = self._ignore_field()
        if name:
            return f"paste into {what}", snippets.kustomization_ignore(found, by.fields, name)
        do = (
            f"this Flux has no ignore rules for fields (or does not show its CRD): annotate the {found.kind.kind} in"
            " Git, after which Flux changes nothing of it any more; or update Flux and use its ignore rules"
        )
        return do, snippets.if_not_present(found)

    def _ignore_field(self) -> str:
        """What this Flux calls a Kustomization's ignore rules, by its CRD; empty: it has none, or does not tell."""
        if self._ignores is None:
            versions = ((ask(self._connection, _CRD).object or {}).get("spec") or {}).get("versions") or ()
            known = {name for version in versions if version.get("served") for name in _spec_fields(version)}
            self._ignores = next((name for name in snippets.IGNORE_FIELDS if name in known), "")
        return self._ignores

    def _helm_release(self, found: Autoscaler, by: Manages) -> Finding:
        what = f"HelmRelease {_name(by)}"
        told = self._object(_HELM_RELEASE, by)
        do, snippet = f"paste into {what}", snippets.helm_release(found, by.fields)
        drift = ((told.object or {}).get("spec") or {}).get("driftDetection") or {}
        upgrade = f"each upgrade of {what} writes {_fields(by)} once, and that counts as a new baseline"
        labels = {**(found.metadata.labels or {}), **found.annotations}
        ignored = any(_flux_ignores(rule, found, by.fields) for rule in drift.get("ignore") or ())
        if told.object is not None and drift.get("mode") != "enabled":
            return _finding(Level.NOTE, found, by, f"corrects no drift; {upgrade}")
        if ignored or labels.get(_DRIFT) == "disabled":
            return _finding(Level.NOTE, found, by, f"leaves {_fields(by)} alone between upgrades; {upgrade}")
        if told.object is None:
            says = (
                f"undoes {_fields(by)} if its driftDetection is enabled (it could not be read{_because(told.untold)})"
            )
            return _finding(Level.WARNING, found, by, says, do, snippet)
        says = f"undoes {_fields(by)} at each interval: driftDetection of {what} is enabled"
        return _finding(Level.ERROR, found, by, says, do, snippet)

    def _object(self, kind: Kind[dict[str, Any]], by: Manages) -> Told:
        namespace, name = by.named
        if not (namespace and name):
            return Told(untold="the object does not tell which one")
        key = (kind.kind, namespace, name)
        if key not in self._told:
            self._told[key] = ask(self._connection, kind.path(namespace=namespace, name=name))
        return self._told[key]


# ---- those without rules of their own


def _others(found: Autoscaler, by: Manages) -> Finding:
    if by.tool is Tool.HELM:
        says = f"writes {_fields(by)} at each helm upgrade, or stops at the conflict with us (server-side, Helm 4)"
        do = "where it stops, upgrade with --force-conflicts: what it writes counts as a new baseline"
        return _finding(Level.WARNING, found, by, says, do)
    if by.tool is Tool.KEDA:
        says = f"writes {_fields(by)} whenever they are not as its ScaledObject says"
        return _finding(Level.ERROR, found, by, says, "name the ScaledObject in actuate.scaledObject, not its HPA")
    if by.tool is Tool.KUBECTL:
        says = f"sets {_fields(by)} again when somebody applies that file; that counts as a new baseline"
        return _finding(Level.NOTE, found, by, says)
    if not by.applies:
        says = f"once wrote {_fields(by)}; whether it would again, nobody can tell from here"
        return _finding(Level.NOTE, found, by, says)
    says = f"applies {_fields(by)}; if it does so by itself it undoes ours, and we stop after three times"
    return _finding(Level.WARNING, found, by, says, f"take {_fields(by)} out of what {by.name} applies")


def _finding(level: Level, found: Autoscaler, by: Manages, says: str, do: str = "", snippet: str = "") -> Finding:
    who = f"{by.tool} ({by.known_by})"
    return Finding(level=level, object=str(found), says=f"{who} {says}", do=do, snippet=snippet)


def _name(by: Manages) -> str:
    return "/".join(part for part in by.named if part) or "(unknown)"


def _fields(by: Manages) -> str:
    return " and ".join(sorted(by.fields, key=lambda name: (not name.startswith("min"), name)))


def _because(untold: str) -> str:
    return f": {untold}" if untold else ": there is none"


def _annotated(found: Autoscaler, name: str) -> str:
    """Flux takes labels as it takes annotations."""
    return found.annotations.get(name) or (found.metadata.labels or {}).get(name, "")


# ---- rules of others


def _argo_ignores(rule: Asked, found: Autoscaler, fields: Iterable[str]) -> bool:
    wanted = _target_of(found)
    if not all(fnmatchcase(wanted[name], str(rule.get(name, "*"))) for name in ("group", "kind")):
        return False
    if any(rule.get(name) not in (None, "", wanted[name]) for name in ("name", "namespace")):
        return False
    if MANAGER in (rule.get("managedFieldsManagers") or ()):
        return True
    return _covered(rule.get("jsonPointers"), found, fields) or _by_jq(rule.get("jqPathExpressions"), fields)


def _by_jq(expressions: Any, fields: Iterable[str]) -> bool:
    told = {str(one).strip() for one in expressions or ()}
    return ".spec" in told or all(f".spec.{name}" in told for name in fields)


def _flux_ignores(rule: Asked, found: Autoscaler, fields: Iterable[str]) -> bool:
    """A rule with selectors by label counts as none: it may stop matching."""
    target = rule.get("target") or {}
    if target.get("labelSelector") or target.get("annotationSelector"):
        return False
    wanted = _target_of(found)
    fits = all(_matches(str(target[name]), wanted[name]) for name in wanted if target.get(name))
    return fits and _covered(rule.get("paths"), found, fields)


def _matches(pattern: str, text: str) -> bool:
    try:
        return re.fullmatch(pattern, text) is not None
    except re.error:
        return False


def _covered(paths: Any, found: Autoscaler, fields: Iterable[str]) -> bool:
    told = {str(one) for one in paths or ()}
    return bool(told & {"", "/spec"}) or told >= set(snippets.pointers(found, fields))


def _target_of(found: Autoscaler) -> dict[str, str]:
    return {
        "group": found.kind.group, "version": found.kind.version, "kind": found.kind.kind,
        "name": found.metadata.name, "namespace": found.metadata.namespace,
    }  # fmt: skip


def _spec_fields(version: Asked) -> Iterator[str]:
    schema: Any = version
    for name in ("schema", "openAPIV3Schema", "properties", "spec", "properties"):
        schema = (schema or {}).get(name)
    yield from schema or ()
