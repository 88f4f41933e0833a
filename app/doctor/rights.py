"""What the rules need and whether the account that will act may do it; the server is asked, nothing is tried."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec

from app.doctor.findings import Finding, Level
from domain.errors import KubeError
from kube import Connection
from rules.schema import ScalingRule

SELF: Final = "self"
_OF_APPS: Final = {("apps", "Deployment"), ("apps", "StatefulSet")}
_PATH: Final = "/apis/authorization.k8s.io/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One thing that has to be allowed; the names are those of ``ResourceAttributes``, empty means any."""

    verb: str
    group: str
    resource: str
    subresource: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        where = f" in {self.namespace}" if self.namespace else " everywhere"
        return f"{self.verb} {resource}{f'.{self.group}' if self.group else ''}{where}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Rights that go together, what for, and who grants them."""

    rights: tuple[Right, ...]
    what_for: str
    do: str
    level: Level = Level.ERROR


def needs(rules: Collection[ScalingRule], *, namespace: str, keda: bool) -> Iterator[Need]:
    """What one Foretide with these rules needs, as ``deploy/kubernetes/rbac.yaml`` grants it."""
    install = "kubectl apply --server-side -k deploy/kubernetes"
    kinds = [
        ("autoscaling", "horizontalpodautoscalers"), ("apps", "deployments"), ("apps", "statefulsets"),
        ("policy", "poddisruptionbudgets"), ("", "namespaces"), *([("keda.sh", "scaledobjects")] if keda else []),
    ]  # fmt: skip
    reading = tuple(
        Right(verb=verb, group=group, resource=resource) for group, resource in kinds for verb in ("list", "watch")
    )
    yield Need(rights=reading, what_for="seeing the cluster", do=install)
    yield from _of_other_kinds(rules)
    leading = tuple(
        Right(verb=verb, group="coordination.k8s.io", resource="leases", namespace=namespace, name=name)
        for verb, name in (("create", ""), ("get", "foretide-controller"), ("update", "foretide-controller"))
    )
    yield Need(rights=leading, what_for="leading, without which nothing is written", do=install)
    handover = tuple(
        Right(
            verb=verb, group="coordination.k8s.io", resource="leases", namespace=namespace, name="foretide-controller"
        )
        for verb in ("list", "watch")
    )
    noticed = "taking over at once when a leader stops (without it: up to 2.4 s later)"
    yield Need(rights=handover, what_for=noticed, do=install, level=Level.WARNING)
    switch = Right(verb="get", group="", resource="configmaps", namespace=namespace, name="foretide-freeze")
    yield Need(rights=(switch,), what_for="the kill switch, without which nothing is written", do=install)
    rings = tuple(
        Right(verb=verb, group="", resource="configmaps", namespace=namespace, name="foretide-rings")
        for verb in ("get", "create", "patch")
    )
    yield Need(rights=rings, what_for="rings, without which nothing is written (unless all are first)", do=install)
    events = Right(verb="create", group="", resource="events")
    yield Need(rights=(events,), what_for="events about what is done", do=install, level=Level.WARNING)
    yield from _acting(rules)


def _of_other_kinds(rules: Iterable[ScalingRule]) -> Iterator[Need]:
    """Argo's Rollouts are granted by ``rbac.yaml``; of other kinds, whoever installs them grants the same."""
    groups = {(rule.target.api_version.rpartition("/")[0], rule.target.kind) for rule in rules} - _OF_APPS
    for group, kind in sorted(groups):
        resource = _plural(kind)
        rights = [Right(verb=verb, group=group, resource=resource) for verb in ("list", "watch")]
        rights.append(Right(verb="get", group=group, resource=resource, subresource="scale"))
        do = "grant it as deploy/kubernetes/rbac.yaml does for rollouts"
        yield Need(rights=tuple(rights), what_for=f"seeing targets of kind {kind}", do=do)


def _plural(kind: str) -> str:
    """As nearly every kind is called in a path."""
    return f"{kind.lower()}s"


def _acting(rules: Iterable[ScalingRule]) -> Iterator[Need]:
    """Each namespace once for each way to act in it."""
    wanted: dict[tuple[str, str], set[Right]] = {}
    for rule in rules:
        if rule.spec.actuate.with_ != "none":
            wanted.setdefault((rule.metadata.namespace, rule.spec.actuate.with_), set()).update(_for(rule))
    for (where, way), rights in sorted(wanted.items()):
        do = f"let it act there: kubectl apply -n {where} -f deploy/kubernetes/opt-in/{way}.yaml"
        yield Need(rights=tuple(sorted(rights, key=str)), what_for=f"actuate {way} in {where}", do=do)


def _for(rule: ScalingRule) -> Iterator[Right]:
    actuate, where = rule.spec.actuate, rule.metadata.namespace
    if actuate.with_ == "scale":
        group, _, _ = rule.spec.target.api_version.rpartition("/")
        resource = _plural(rule.spec.target.kind)
        yield Right(verb="patch", group=group, resource=resource, subresource="scale", namespace=where)
    elif actuate.scaled_object is not None:
        yield Right(verb="patch", group="keda.sh", resource="scaledobjects", namespace=where)
    else:
        for verb in ("patch",) if actuate.with_ == "bounds" else ("create", "patch", "delete"):
            yield Right(verb=verb, group="autoscaling", resource="horizontalpodautoscalers", namespace=where)


class Rights:
    """Asks for one account: ``self``, or NAMESPACE/NAME of a ServiceAccount."""

    def __init__(self, connection: Connection, account: str) -> None:
        """Nothing is asked yet."""
        self._connection, self._account = connection, account

    def looked(self, wanted: Iterable[Need]) -> Iterator[Finding]:
        """One finding for each need.

        Raises:
            KubeError: The server does not answer at all.
        """
        who = "whoever runs this" if self._account == SELF else f"ServiceAccount {self._account}"
        for need in wanted:
            try:
                missing = [str(right) for right in need.rights if not self._may(right)]
            except KubeError as error:
                if error.status in (0, 401):
                    raise
                says = f"what {who} may do could not be asked: {error}"
                do = "run this as somebody who may create subjectaccessreviews, or with --account self"
                yield Finding(level=Level.WARNING, object="rights", says=says, do=do)
                return
            if missing:
                says = f"{who} may not {', '.join(missing)}: needed for {need.what_for}"
                yield Finding(level=need.level, object="rights", says=says, do=need.do)
            else:
                says = f"{who} may do what is needed for {need.what_for}"
                yield Finding(level=Level.OK, object="rights", says=says)

    def _may(self, right: Right) -> bool:
        attributes = {name: value for name, value in asdict(right).items() if value}
        spec: dict[str, Any] = {"resourceAttributes": attributes}
        kind = "SelfSubjectAccessReview"
        if self._account != SELF:
            namespace, _, name = self._account.partition("/")
            groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
            spec |= {"user": f"system:serviceaccount:{namespace}:{name}", "groups": groups}
            kind = "SubjectAccessReview"
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
        raw = self._connection.request("POST", f"{_PATH}/{kind.lower()}s", body=body)
        told = msgspec.json.decode(raw, type=dict[str, Any])
        return bool((told.get("status") or {}).get("allowed"))
