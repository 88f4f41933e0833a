"""The cluster itself: versions, APIs, the clocks, the guardrails, the kill switch, stamps that nobody renews."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from app.doctor.asking import Told, ask
from app.doctor.findings import Finding, Level
from controller.actuation import stamp as stamps
from controller.cluster.kubernetes_autoscalers import Autoscaler
from controller.cluster.kubernetes_switch import Switch
from domain.errors import RefusedError
from kube import Connection
from rules.schema import KINDS

_GUARDRAILS: Final = ("foretide-guardrails", "foretide-guardrails-keda")
_ADMISSION: Final = "/apis/admissionregistration.k8s.io/v1"
_TOLERANCE_FROM: Final = 33
"""Minor version since which the HPA compares the ratio with both ends of the tolerance, not its distance from 1."""
_TOLERANCE_PER_HPA: Final = 35
"""Since when ``behavior.*.tolerance`` is on by default (beta); alpha from 1.33."""
_SKEW_SEEN: Final = timedelta(seconds=30)
_SKEW_TOO_MUCH: Final = timedelta(minutes=5)
"""What stamps allow for, too."""


def looked(connection: Connection, *, namespace: str, keda_wanted: bool, now: datetime) -> Iterator[Finding]:
    """Everything that is not about one autoscaler.

    Raises:
        KubeError: The server does not answer at all.
    """
    yield _version(ask(connection, "/version"))
    yield from _apis(connection, keda_wanted=keda_wanted)
    yield _clock(connection.server_time(), now)
    yield from _guardrails(connection, keda=keda_wanted)
    yield _switch(connection, namespace)


def left_behind(scalers: Iterable[Autoscaler], rules: Collection[str], now: datetime) -> Iterator[Finding]:
    """Stamps that nobody renews, or that cannot be read; and those of rules that are not among ``rules``."""
    for found in scalers:
        try:
            stamp = stamps.read(found.annotations)
        except RefusedError as error:
            yield Finding(
                level=Level.ERROR, object=str(found), says=f"nothing is written to it: {error}",
                do="set its bounds as they should be and remove its annotations foretide.dev/*",
            )  # fmt: skip
            continue
        if stamp is not None and stamp.is_expired(now):
            yield Finding(
                level=Level.WARNING, object=str(found),
                says=f"rule {stamp.rule} has left {found.limits} there since {stamp.expires_at:%Y-%m-%d %H:%M} UTC",
                do=f"foretide reap gives {stamp.baseline} back; its CronJob does not seem to run",
            )  # fmt: skip
        elif stamp is not None and rules and stamp.rule not in rules:
            yield Finding(
                level=Level.NOTE, object=str(found), says=f"its bounds are held by rule {stamp.rule}, not one of these"
            )


# ---- one by one


def _version(told: Told) -> Finding:
    digits = re.match(r"\d+", str((told.object or {}).get("minor", "")))
    if told.object is None or digits is None:
        return Finding(level=Level.WARNING, object="cluster", says=f"does not tell its version {told.untold}".rstrip())
    minor, name = int(digits[0]), str(told.object.get("gitVersion", f"1.{digits[0]}"))
    if minor < _TOLERANCE_FROM:
        return Finding(
            level=Level.NOTE, object="cluster",
            says=f"Kubernetes {name}: before 1.33 an HPA compares |1 - ratio| with its tolerance",
            do=f"assess with --kubernetes 1.{minor}, and set no behavior.scaleUp/scaleDown.tolerance",
        )  # fmt: skip
    gate = "" if minor >= _TOLERANCE_PER_HPA else "; behavior.*.tolerance needs the gate HPAConfigurableTolerance"
    return Finding(level=Level.OK, object="cluster", says=f"Kubernetes {name}: tolerances as since 1.33{gate}")


def _apis(connection: Connection, *, keda_wanted: bool) -> Iterator[Finding]:
    asked = {group: ask(connection, f"/apis/{group}") for group in ("autoscaling/v2", "metrics.k8s.io/v1beta1")}
    if asked["autoscaling/v2"].object is None:
        says = f"autoscaling/v2 is not served: no HPA can be read {asked['autoscaling/v2'].untold}".rstrip()
        yield Finding(
            level=Level.ERROR, object="API autoscaling/v2", says=says, do="Kubernetes 1.23 or newer is needed"
        )
    if asked["metrics.k8s.io/v1beta1"].object is None:
        says = f"does not answer: HPAs by CPU or memory are blind {asked['metrics.k8s.io/v1beta1'].untold}".rstrip()
        yield Finding(level=Level.WARNING, object="API metrics.k8s.io", says=says, do="install metrics-server")
    else:
        yield Finding(level=Level.OK, object="API metrics.k8s.io", says="answers")
    yield _keda(ask(connection, "/apis/keda.sh/v1alpha1"), wanted=keda_wanted)
    yield _documents(ask(connection, "/apis/foretide.dev"), ask(connection, "/apis/foretide.dev/v1alpha1"))


def _keda(told: Told, *, wanted: bool) -> Finding:
    if told.object is not None:
        return Finding(level=Level.OK, object="API keda.sh", says="KEDA is installed (v1alpha1)")
    says = f"KEDA is not installed {told.untold}".rstrip()
    level = Level.ERROR if wanted else Level.NOTE
    return Finding(
        level=level, object="API keda.sh", says=says + (", and a rule names a ScaledObject" if wanted else "")
    )


def _documents(group: Told, version: Told) -> Finding:
    name, do = "CRDs foretide.dev", "kubectl apply --server-side -k deploy/crds"
    if group.object is None:
        says = f"not installed: documents come from files only {group.untold}".rstrip()
        return Finding(level=Level.NOTE, object=name, says=says, do=do)
    versions = ", ".join(str(one.get("version")) for one in group.object.get("versions") or ())
    served = {str(one.get("kind")) for one in (version.object or {}).get("resources") or ()}
    if missing := [kind for kind in sorted(KINDS) if kind not in served]:
        says = f"{versions} is installed, but v1alpha1 lacks {', '.join(missing)}"
        return Finding(level=Level.WARNING, object=name, says=says, do=do)
    return Finding(level=Level.OK, object=name, says=f"{versions} is installed, with every kind")


def _clock(server: datetime | None, now: datetime) -> Finding:
    if server is None:
        return Finding(level=Level.NOTE, object="clock", says="the API server does not tell its time")
    skew = now - server
    seconds = f"{abs(skew.total_seconds()):.0f} s {'ahead of' if skew > timedelta(0) else 'behind'} the API server's"
    do = "set both clocks by NTP: stamps expire by the clock on the wall"
    if abs(skew) >= _SKEW_TOO_MUCH:
        return Finding(level=Level.ERROR, object="clock", says=f"ours is {seconds}", do=do)
    if abs(skew) >= _SKEW_SEEN:
        return Finding(level=Level.WARNING, object="clock", says=f"ours is {seconds}", do=do)
    return Finding(level=Level.OK, object="clock", says=f"ours is within {_SKEW_SEEN.seconds} s of the API server's")


def _guardrails(connection: Connection, *, keda: bool) -> Iterator[Finding]:
    for name in _GUARDRAILS if keda else _GUARDRAILS[:1]:
        policy = ask(connection, f"{_ADMISSION}/validatingadmissionpolicies/{name}")
        binding = ask(connection, f"{_ADMISSION}/validatingadmissionpolicybindings/{name}")
        yield _guardrail(f"guardrail {name}", policy, binding)


def _guardrail(name: str, policy: Told, binding: Told) -> Finding:
    do = "kubectl apply --server-side -f deploy/kubernetes/guardrails.yaml"
    if untold := policy.untold or binding.untold:
        return Finding(level=Level.NOTE, object=name, says=f"could not be looked at: {untold}")
    if policy.object is None or binding.object is None:
        says = "is not installed: nothing but our own code limits what we write"
        return Finding(level=Level.WARNING, object=name, says=says, do=do)
    actions = _part(binding.object, "spec").get("validationActions") or ()
    if "Deny" not in actions:
        says = f"only does {', '.join(actions) or 'nothing'}: it refuses nothing"
        return Finding(level=Level.WARNING, object=name, says=says, do=do)
    return Finding(level=Level.OK, object=name, says="is installed and refuses")


def _switch(connection: Connection, namespace: str) -> Finding:
    why = Switch(connection, namespace=namespace).why()
    if not why:
        return Finding(level=Level.OK, object="kill switch", says="is off")
    do = "foretide freeze --undo lets writes go on"
    return Finding(level=Level.WARNING, object="kill switch", says=f"nothing is written: {why}", do=do)


def _part(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return of.get(name) or {}
