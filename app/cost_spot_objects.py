"""What a cluster's objects tell of a workload's readiness for spot; what may not be listed is not known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final

from cost.commitments.spot import Workload
from domain.errors import KubeError
from domain.units import parse_quantity
from kube import Connection, listed
from kube.kind import Kind
from kube.kinds import DEPLOYMENT, DISRUPTION_BUDGET, STATEFUL_SET

SPOT: Final = "foretide.dev/spot"
"""``true`` or ``false`` on a workload decides alone."""
SINGLE_LEADER: Final = "foretide.dev/single-leader"
"""``true`` on a workload says that one of its pods leads and all stop with it: no object shows that."""
Object = Mapping[str, Any]
Objects = dict[tuple[str, str], dict[str, Any]]
_DEFAULT_GRACE: Final = 30
_CLAIM: Final = Kind(group="", version="v1", kind="PersistentVolumeClaim", plural="persistentvolumeclaims",
                     namespaced=True, type=dict[str, Any])  # fmt: skip
_VOLUME: Final = Kind(group="", version="v1", kind="PersistentVolume", plural="persistentvolumes", namespaced=False,
                      type=dict[str, Any])  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A workload, what is known of it, and the cores that its replicas request together."""

    namespace: str
    name: str
    workload: Workload
    requested_cores: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """All of a cluster; ``unseen`` are kinds that may not be listed."""

    workloads: tuple[Found, ...]
    unseen: tuple[str, ...]


def read(connection: Connection) -> Seen:
    """Deployments and StatefulSets with what protects them.

    Raises:
        KubeError: Not answered for another reason than 403 and 404.
    """
    unseen: list[str] = []

    def ask(kind: Kind[dict[str, Any]]) -> Objects | None:
        try:
            return listed(connection, kind).objects
        except KubeError as error:
            if error.status not in (403, 404):
                raise
            unseen.append(kind.plural)
            return None

    own = [(kind.kind, ask(kind.as_dicts())) for kind in (DEPLOYMENT, STATEFUL_SET)]
    budgets = ask(DISRUPTION_BUDGET.as_dicts())
    mounts = any(_claims(one) for _, objects in own for one in (objects or {}).values())
    is_local = _local_volumes(ask) if mounts else _nothing
    found = [
        Found(
            namespace=namespace, name=name, workload=workload_of(kind, one, budgets, is_local),
            requested_cores=_replicas(one) * _cores(one),
        )
        for kind, objects in own for (namespace, name), one in sorted((objects or {}).items())
    ]  # fmt: skip
    return Seen(workloads=tuple(found), unseen=tuple(unseen))


def workload_of(
    kind: str, one: Object, budgets: Objects | None, is_local: Callable[[str, str], bool | None]
) -> Workload:
    """What is known of one.

    Args:
        kind: ``Deployment`` or ``StatefulSet``.
        one: The object.
        budgets: Every PodDisruptionBudget; None where they may not be listed.
        is_local: Whether the volume behind a claim (namespace and name) stands on one node; None: not known.
    """
    metadata, pod = one.get("metadata", {}), _pod(one)
    replicas = _replicas(one)
    annotations = metadata.get("annotations") or {}
    volumes = pod.get("volumes") or []
    spread = pod.get("topologySpreadConstraints") or (pod.get("affinity") or {}).get("podAntiAffinity")
    said = annotations.get(SPOT)
    return Workload(
        kind=kind, replicas=replicas, has_empty_dir=any("emptyDir" in volume for volume in volumes),
        has_local_volume=_on_one_node(one, volumes, is_local),
        pdb_min_available_ratio=None if budgets is None else _kept(one, budgets.values(), replicas),
        rolling_min_available_ratio=_rolling(one, replicas),
        termination_grace=timedelta(seconds=pod.get("terminationGracePeriodSeconds", _DEFAULT_GRACE)),
        is_spread=bool(spread), is_single_leader=annotations.get(SINGLE_LEADER) == "true",
        override={"true": True, "false": False}.get(said) if isinstance(said, str) else None,
    )  # fmt: skip


def _pod(one: Object) -> dict[str, Any]:
    return (one.get("spec", {}).get("template") or {}).get("spec") or {}


def _replicas(one: Object) -> int:
    count = one.get("spec", {}).get("replicas")
    return 1 if count is None else int(count)


def _cores(one: Object) -> Decimal:
    total = Decimal(0)
    for container in _pod(one).get("containers") or ():
        asked = ((container.get("resources") or {}).get("requests") or {}).get("cpu")
        total += Decimal(0) if asked is None else parse_quantity(str(asked))
    return total


def _claims(one: Object) -> list[str]:
    named = [(volume.get("persistentVolumeClaim") or {}).get("claimName") for volume in _pod(one).get("volumes") or ()]
    templates = one.get("spec", {}).get("volumeClaimTemplates") or ()
    return [name for name in named if name] + [f"{_name(template)}-{_name(one)}-0" for template in templates]


def _name(one: Object) -> str:
    return str(one.get("metadata", {}).get("name", ""))


def _on_one_node(one: Object, volumes: Sequence[Object], is_local: Callable[[str, str], bool | None]) -> bool | None:
    if any("hostPath" in volume for volume in volumes):
        return True
    namespace = str(one.get("metadata", {}).get("namespace", ""))
    told = [is_local(namespace, claim) for claim in _claims(one)]
    return True if True in told else None if None in told else False


def _nothing(namespace: str, claim: str) -> bool | None:
    del namespace, claim
    return None


def _local_volumes(ask: Callable[[Kind[dict[str, Any]]], Objects | None]) -> Callable[[str, str], bool | None]:
    claims, volumes = ask(_CLAIM), ask(_VOLUME)

    def is_local(namespace: str, claim: str) -> bool | None:
        bound = ((claims or {}).get((namespace, claim), {}).get("spec") or {}).get("volumeName")
        volume = None if not bound else (volumes or {}).get(("", bound))
        spec = {} if volume is None else volume.get("spec") or {}
        return None if volume is None else "local" in spec or "hostPath" in spec

    return is_local


def _rolling(one: Object, replicas: int) -> float:
    """Share of the replicas that a rollout keeps; Kubernetes rounds what may be missing down."""
    strategy = one.get("spec", {}).get("strategy") or {}
    if strategy.get("type") == "Recreate":
        return 0.0
    missing = (strategy.get("rollingUpdate") or {}).get("maxUnavailable", "25%")
    return 1.0 - _count(missing, replicas, up=False) / max(replicas, 1)


def _kept(one: Object, budgets: Iterable[Object], replicas: int) -> float:
    """Share of the replicas that disruption budgets keep; 0 without one."""
    ratios = [0.0]
    for spec in _about(one, budgets):
        if spec.get("minAvailable") is not None:
            kept = _count(spec["minAvailable"], replicas, up=True)
        else:
            kept = replicas - _count(spec.get("maxUnavailable", 0), replicas, up=True)
        ratios.append(max(kept, 0) / max(replicas, 1))
    return max(ratios)


def _about(one: Object, budgets: Iterable[Object]) -> Iterator[Object]:
    namespace = one.get("metadata", {}).get("namespace", "")
    labels = ((one.get("spec", {}).get("template") or {}).get("metadata") or {}).get("labels") or {}
    for budget in budgets:
        spec = budget.get("spec") or {}
        if budget.get("metadata", {}).get("namespace") == namespace and _selects(spec.get("selector"), labels):
            yield spec


def _selects(selector: Object | None, labels: Mapping[str, str]) -> bool:
    """An empty selector is about all of its namespace, none about nothing."""
    if selector is None:
        return False
    plain = all(labels.get(name) == value for name, value in (selector.get("matchLabels") or {}).items())
    return plain and all(_meets(labels, one) for one in selector.get("matchExpressions") or ())


def _meets(labels: Mapping[str, str], one: Object) -> bool:
    key, values = str(one.get("key", "")), one.get("values") or ()
    return {
        "In": labels.get(key) in values, "NotIn": labels.get(key) not in values, "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }.get(str(one.get("operator")), True)  # fmt: skip


def _count(written: int | str, replicas: int, *, up: bool) -> int:
    """A number of pods, or a percentage of them."""
    text = str(written)
    if not text.endswith("%"):
        return int(text)
    share = int(text.removesuffix("%")) * replicas
    return -(-share // 100) if up else share // 100
