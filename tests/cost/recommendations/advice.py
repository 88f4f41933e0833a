"""Advice to test with."""

from datetime import UTC, datetime
from decimal import Decimal

from domain.recommendations import Change, Freed, Patch, Recommendation, RecommendationKind, Saving, Target

NOW = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)


def resize(name: str = "web", after: str = "920m", monthly: str = "212.40") -> Recommendation:
    """A smaller request with its HPA's target."""
    return Recommendation(
        kind=RecommendationKind.RIGHT_SIZE_HPA,
        target=Target(namespace="shop", kind="Deployment", name=name),
        changes=(
            Change(path=f"containers[{name}].requests.cpu", before="1000m", after=after),
            Change(path=f"hpa[{name}].target.cpu", before="80", after="87"),
        ),
        patches=(Patch(object=f"Deployment/{name}", command=f"kubectl -n shop patch deployment {name}",
                       patch={"spec": {"replicas": 2}}),),
        saving=Saving(monthly=Decimal(monthly), currency="EUR", p10=Decimal(150), p90=Decimal(260),
                      realised_when="nodesRemoved"),
        freed=Freed(cpu_millicores=240), advice="Ask for less.", evidence=(("window", "21d"), ("oom", "0")),
        risk="low", confidence=0.8, conflicts=("argocd writes it",), together=("0123456789ab",),
        undo="the values before, if unchanged",
    )  # fmt: skip
