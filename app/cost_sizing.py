"""``GET /api/v1/cost/sizing``: what containers should ask for, workload by workload, with patches to paste."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.cost_allocation import Allocations
from app.cost_sizing_money import Amount, UnitPrices, Units, monthly_saving, unit_prices
from app.cost_sizing_outlook import outlook
from app.cost_sizing_read import Place, Scaler, Seen, places, read, resizes_in_place, scalers
from app.envelope import Page, page_of
from app.queries import Queries
from cost.sizing import forecast, krr, vpa
from cost.sizing.hpa_aware import for_pod
from cost.sizing.observed import Observed, Resource, Risk, Size, Sizing
from cost.sizing.patches import pod_patch, template_patch
from cost.sizing.rollout import Verdict, may_apply
from domain.clock import Clock
from domain.errors import QueryError

Engine = Literal["vpa", "krr", "forecast"]
PageNumber = Annotated[int, Query(ge=1, le=10_000, description="Counts from 1.")]
Limit = Annotated[int, Query(ge=1, le=50, description="Workloads per page: each costs four queries over the window.")]
DEFAULT_DAYS: Final = 8
"""What the vertical-pod-autoscaler reads of a Prometheus."""


class SizeView(BaseModel):
    """In millicores or bytes; null is none."""

    request: int | None
    limit: int | None


class SizingView(BaseModel):
    """One answer for one resource of one container."""

    container: str
    resource: Resource
    unit: Literal["millicores", "bytes"]
    current: SizeView
    wanted: SizeView | None = Field(description="null where the engine cannot say; `reasons` say why.")
    severity: krr.Severity
    confidence: float
    risk: Risk
    verdict: Verdict = Field(description="Whether it may be tried now; nothing is applied by itself.")
    reasons: list[str]
    hpa_target_percent: int | None = Field(description="The HPA's target that belongs to the wanted request.")
    window_seconds: float
    samples: int
    pods: int
    p95: int | None
    peak: int | None
    ooms: int
    monthly_saving: Amount | None = Field(
        default=None, description="Of all pods in 730 hours; below 0 where more is asked for. null without a price."
    )


class PatchView(BaseModel):
    """One patch to paste; Foretide sends none of them."""

    kind: Literal["template", "pod", "hpa"]
    object: str
    command: str = Field(description="kubectl's, without the patch.")
    patch: Any


class WorkloadSizing(BaseModel):
    """All containers of a workload by one engine."""

    target: str
    engine: Engine
    hpa: str | None
    sizings: list[SizingView]
    patches: list[PatchView]
    problem: str | None = Field(description="Why nothing could be read; null where something was.")
    pods: int = Field(default=0, description="That are there now.")
    prices: UnitPrices | None = Field(default=None, description="null where no node with a price is known.")
    no_prices: str = Field(default="", description="Why there are none.")


def router(queries: Queries, allocations: Allocations, clock: Clock) -> APIRouter:
    """The one route."""
    api = APIRouter(tags=["cost"])

    @api.get("/cost/sizing", operation_id="listSizings")
    def sizings(
        engine: Annotated[Engine, Query(description="Whose arithmetic.")] = "forecast",
        namespace: Annotated[
            str | None, Query(pattern="^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", description="Only of this one.")
        ] = None,
        days: Annotated[int, Query(ge=1, le=21, description="History that is looked at.")] = DEFAULT_DAYS,
        page: PageNumber = 1,
        limit: Limit = 20,
    ) -> Page[WorkloadSizing]:
        """What containers should ask for; reads only."""
        now = clock.now()
        known = places(queries, now, namespace)
        hpas = scalers(queries, now, namespace) if known else {}
        in_place = resizes_in_place(queries, now) if known else False
        shown = known[(page - 1) * limit : page * limit]
        views = [
            workload_sizing(
                queries, one, hpas.get(one.key), engine=engine, now=now, window=timedelta(days=days), in_place=in_place
            )
            for one in shown
        ]
        units = unit_prices(allocations, now) if known else Units(prices=None)
        return page_of([priced(one, units) for one in views], page=page, limit=limit, total=len(known))

    return api


def workload_sizing(
    queries: Queries, place: Place, hpa: Scaler | None, *, engine: Engine, now: datetime, window: timedelta,
    in_place: bool,
) -> WorkloadSizing:  # fmt: skip
    """One workload; a source that cannot answer for it is its problem, and not that of the others."""
    name = None if hpa is None else f"{place.namespace}/{hpa.name}"
    try:
        seen = read(queries, place, now=now, window=window)
    except QueryError as error:
        return WorkloadSizing(target=place.key, engine=engine, hpa=name, sizings=[], patches=[], problem=str(error))
    return sizing_of(place, seen, hpa, engine=engine, now=now, in_place=in_place)


def sizing_of(
    place: Place, seen: Seen, hpa: Scaler | None, *, engine: Engine, now: datetime, in_place: bool
) -> WorkloadSizing:
    """One workload of which is known what it used."""
    name = None if hpa is None else f"{place.namespace}/{hpa.name}"
    found = sized(seen.containers, hpa, engine=engine, now=now)
    verdicts = _verdicts(found, seen.containers, now)
    ready = [one for one, (verdict, _) in zip(found, verdicts, strict=True) if verdict is Verdict.GO]
    changed = [one for one in ready if one.wanted not in (None, one.current)]
    return WorkloadSizing(
        target=place.key, engine=engine, hpa=name,
        sizings=[_view(one, *verdict) for one, verdict in zip(found, verdicts, strict=True)],
        patches=_patches(place, changed, seen, hpa, in_place), problem=None, pods=len(seen.pods),
    )  # fmt: skip


def sized(containers: Sequence[Observed], hpa: Scaler | None, *, engine: Engine, now: datetime) -> list[Sizing]:
    """Both resources of each container by one engine; ``forecast`` moves an HPA's target along."""
    found: list[Sizing] = []
    for resource in Resource:
        percent = None if hpa is None else hpa.percent.get(resource)
        mine = [_one(one, resource, engine, percent is not None, now) for one in containers]
        if percent is not None and engine == "forecast" and mine:
            mine = for_pod(mine, percent)
        found += mine
    return sorted(found, key=lambda one: (one.container, one.resource))


def _one(observed: Observed, resource: Resource, engine: Engine, hpa: bool, now: datetime) -> Sizing:
    if engine == "krr":
        return krr.size(observed, resource, hpa=hpa)
    if engine == "forecast":
        return forecast.size(observed, resource, outlook(observed, resource, now=now))
    found = vpa.size(observed, resource)
    if not hpa or found.wanted is None:
        return found
    why = "an HPA scales by it: alone, this request moves what each pod carries; engine forecast moves both"
    return replace(found, risk=Risk.HIGH, reasons=(*found.reasons, why))


def _verdicts(
    found: Sequence[Sizing], containers: Sequence[Observed], now: datetime
) -> list[tuple[Verdict, tuple[str, ...]]]:
    """By size; where one container must wait that shares an HPA's target with others, all wait."""
    ooms = {one.container: [oom.at for pod in one.pods for oom in pod.ooms] for one in containers}
    rulings = []
    for one in found:
        last = max(ooms[one.container], default=None)
        ago = None if last is None else timedelta(seconds=now.timestamp() - last)
        rulings.append(may_apply(one, last_oom=ago))
    joint = {one.resource for one, ruling in zip(found, rulings, strict=True)
             if one.hpa_target_percent is not None and ruling.verdict is not Verdict.GO}  # fmt: skip
    return [
        (Verdict.WAIT, ruling.reasons or ("another container of the pod has to wait",))
        if one.resource in joint else (ruling.verdict, ruling.reasons)
        for one, ruling in zip(found, rulings, strict=True)
    ]  # fmt: skip


def _patches(
    place: Place, changed: Sequence[Sizing], seen: Seen, hpa: Scaler | None, in_place: bool
) -> list[PatchView]:
    """In an order in which there is never a pod too few: the HPA's target after requests fall, before they rise."""
    if not changed:
        return []
    kubectl = f"kubectl -n {place.namespace} patch"
    moved = [] if hpa is None else [(_rises(one), _hpa_patch(kubectl, hpa, one)) for one in _targets(changed, hpa)]
    template = PatchView(kind="template", object=f"{place.kind}/{place.name}", patch=template_patch(changed),
                         command=f"{kubectl} {place.kind.lower()} {place.name}")  # fmt: skip
    pods = [
        PatchView(kind="pod", object=f"Pod/{pod}", patch=pod_patch(changed),
                  command=f"{kubectl} pod {pod} --subresource resize")
        for pod in seen.pods if in_place
    ]  # fmt: skip
    before, after = ([patch for rises, patch in moved if rises is first] for first in (True, False))
    return [*before, template, *pods, *after]


def _rises(one: Sizing) -> bool:
    wanted = None if one.wanted is None else one.wanted.request
    return (wanted or 0) > (one.current.request or 0)


def _targets(changed: Sequence[Sizing], hpa: Scaler) -> list[Sizing]:
    moved = {one.resource: one for one in changed
             if one.hpa_target_percent not in (None, hpa.percent.get(one.resource))}  # fmt: skip
    return list(moved.values())


def _hpa_patch(kubectl: str, hpa: Scaler, one: Sizing) -> PatchView:
    """By place in the list, which is known only where there is one metric; the test refuses any other."""
    where = (
        "/spec/metrics/0/resource" if hpa.metrics == 1 else f"/spec/metrics/INDEX-OF-{one.resource.upper()}/resource"
    )
    patch = [
        {"op": "test", "path": f"{where}/name", "value": one.resource.value},
        {"op": "replace", "path": f"{where}/target/averageUtilization", "value": one.hpa_target_percent},
    ]
    return PatchView(kind="hpa", object=f"HorizontalPodAutoscaler/{hpa.name}", patch=patch,
                     command=f"{kubectl} hpa {hpa.name} --type json")  # fmt: skip


def _view(one: Sizing, verdict: Verdict, why: Sequence[str]) -> SizingView:
    seen, wanted = one.evidence, one.wanted
    return SizingView(
        container=one.container, resource=one.resource, current=_size(one.current),
        unit="millicores" if one.resource is Resource.CPU else "bytes",
        wanted=None if wanted is None else _size(wanted), severity=_severity(one), confidence=round(one.confidence, 4),
        risk=one.risk, verdict=verdict, reasons=[*one.reasons, *why], hpa_target_percent=one.hpa_target_percent,
        window_seconds=seen.window.total_seconds(), samples=seen.samples, pods=seen.pods, p95=seen.p95, peak=seen.peak,
        ooms=seen.ooms,
    )  # fmt: skip


def priced(one: WorkloadSizing, units: Units) -> WorkloadSizing:
    """With what each size is worth."""
    sizings = [
        each.model_copy(update={"monthly_saving": monthly_saving(each.resource, each.current.request,
                                None if each.wanted is None else each.wanted.request, one.pods, units.prices)})
        for each in one.sizings
    ]  # fmt: skip
    return one.model_copy(update={"sizings": sizings, "prices": units.prices, "no_prices": units.why})


def _severity(one: Sizing) -> krr.Severity:
    if one.wanted is None:
        return krr.Severity.UNKNOWN
    return krr.severity(one.current.request, one.wanted.request, one.resource)


def _size(one: Size) -> SizeView:
    return SizeView(request=one.request, limit=one.limit)
