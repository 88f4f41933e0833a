"""Presents and candidates to simulate."""

from datetime import date
from decimal import Decimal

from hypothesis import strategies as st

from cost.recommendations.effects import (
    Candidate,
    Commit,
    Consolidate,
    DropThing,
    DropWorkload,
    Effect,
    Nothing,
    Resize,
    SwitchOff,
    ToSpot,
)
from cost.recommendations.present import Load, Node, Present
from domain.recommendations import Recommendation, RecommendationKind, Saving, Target

K = RecommendationKind
GIB = 1024**3
WORKLOADS = ("shop/Deployment/a", "shop/Deployment/b", "batch/Deployment/c", "sys/DaemonSet/d")


def candidate(kind: K, name: str, effect: Effect) -> Candidate:
    """Advice of that kind about something of that name."""
    advice = Recommendation(
        kind=kind, target=Target(namespace="", kind="Thing", name=name), changes=(), patches=(),
        saving=Saving(monthly=Decimal(0), currency="EUR"), advice="", evidence=(), risk="low", confidence=0.9, undo="",
    )  # fmt: skip
    return Candidate(advice=advice, effect=effect)


def node(name: str, monthly: str = "100", **more: object) -> Node:
    """Four cores and 16 GiB."""
    return Node(name=name, pool="p", monthly=Decimal(monthly), cpu_millicores=4000, memory_bytes=16 * GIB,
                machine="m4", **more)  # type: ignore[arg-type]  # fmt: skip


def load(workload: str, pods: int, cpu: int = 1000, **more: object) -> Load:
    """Pods of a core and a GiB each."""
    return Load(workload=workload, pool="p", pods=pods, cpu_millicores=cpu, memory_bytes=GIB, **more)  # type: ignore[arg-type]


nodes = st.builds(
    Node, name=st.text("abcdefgh", min_size=1, max_size=3), pool=st.sampled_from("pq"),
    monthly=st.decimals("0", "999", places=9), cpu_millicores=st.sampled_from([2000, 4000, 8000]),
    memory_bytes=st.sampled_from([4 * GIB, 16 * GIB]), machine=st.sampled_from(["m4", "m8"]),
    committed_until=st.none() | st.dates(date(2027, 1, 1), date(2028, 1, 1)), is_spot=st.booleans(),
)  # fmt: skip
loads = st.builds(
    Load, workload=st.sampled_from(WORKLOADS), pool=st.sampled_from("pq"), pods=st.integers(0, 9),
    cpu_millicores=st.integers(0, 4000), memory_bytes=st.integers(0, 6 * GIB), on_every_node=st.booleans(),
)  # fmt: skip
presents = st.builds(
    Present, currency=st.just("EUR"), nodes=st.lists(nodes, max_size=8).map(tuple),
    loads=st.lists(loads, max_size=8).map(tuple),
    things=st.dictionaries(st.sampled_from(["PersistentVolume/v", "shop/Service/s"]), st.decimals("0", "99", places=9)),
    spot_ratio=st.dictionaries(st.sampled_from("pq"), st.decimals("0", "1.2", places=2)),
    other=st.decimals("0", "50", places=9),
)  # fmt: skip
workload = st.sampled_from(WORKLOADS)
hours = st.frozensets(st.integers(0, 167), max_size=60)
amounts = st.integers(-4 * GIB, 2 * GIB)
candidates = st.one_of(
    st.builds(lambda w: (K.ABANDONED_WORKLOAD, w, DropWorkload(workload=w)), workload),
    st.builds(lambda t, m: (K.UNUSED_PVC, t, DropThing(thing=t, monthly=m)),
              st.sampled_from(["PersistentVolume/v", "shop/Service/s", "not/There"]),
              st.none() | st.decimals("0", "200", places=9)),
    st.builds(lambda k, w, c, m: (k, w, Resize(workload=w, cpu_millicores=c, memory_bytes=m)),
              st.sampled_from([K.RIGHT_SIZE_REQUESTS, K.RIGHT_SIZE_HPA]), workload, st.integers(-4000, 2000), amounts),
    st.builds(lambda w: (K.HPA_PINNED_AT_MAX, w, Nothing()), workload),
    st.builds(lambda w, h: (K.OFF_HOURS_SCHEDULE, w, SwitchOff(workload=w, hours=h)), workload, hours),
    st.builds(lambda p: (K.RIGHT_SIZE_NODE_POOL, p, Consolidate(pool=p)), st.sampled_from("pqr")),
    st.builds(lambda w: (K.SPOT_MOVE, w, ToSpot(workload=w)), workload),
    st.builds(lambda m, q, r: (K.COMMITMENT_BUY, m, Commit(machine=m, quantity=q, ratio=r)),
              st.sampled_from(["m4", "m8"]), st.integers(0, 9), st.decimals("0", "1", places=2)),
).map(lambda one: candidate(*one))  # fmt: skip
