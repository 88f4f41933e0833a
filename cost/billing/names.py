"""Under which names a bill may know an asset: Kubernetes and the providers spell the same machine differently.

- A node on AWS: ``aws:///eu-central-1a/i-0aa``; the bill: ``i-0aa`` or ``arn:aws:ec2:…:instance/i-0aa``.
- On Google: ``gce://project/zone/name``; ``//compute.googleapis.com/projects/project/zones/zone/instances/name``.
- On Azure: ``azure:///subscriptions/…/virtualMachineScaleSets/np/virtualMachines/3``; the same, or only the set.
- A volume: ``vol-0aa``, ``projects/…/disks/name``; the same, its last part, or an ARN.
- A load balancer: ``name-hash.elb.eu-central-1.amazonaws.com``; ``…:loadbalancer/net/name/hash``, or its address.
"""

from __future__ import annotations

import re
from typing import Final

from cost.billing.model import AssetKind, Modelled

_SCHEME: Final = re.compile(r"^[a-z0-9+.-]+://")
_WORDS: Final = frozenset({"projects", "zones", "regions", "instances", "disks"})
_LEAST_ANCESTOR: Final = 5
"""Parts that a path must have before all below it is taken as its own: a subscription, a resource group or a project
must not swallow the machines in it; ``…/providers/type/scale-set`` has eight."""


def parts(name: str) -> tuple[str, ...]:
    """Of a path, without scheme, host and letter case; of an ARN what follows its last colon."""
    text = name.strip().lower()
    if text.startswith("arn:"):
        text = text.rpartition(":")[2]
    if text.startswith("//"):
        text = text.removeprefix("//").partition("/")[2]
    return tuple(part for part in _SCHEME.sub("", text).split("/") if part)


def of_asset(asset: Modelled) -> frozenset[tuple[str, ...]]:
    """Every suffix of its own name, as parts; of a load balancer its host's first label and what that is made of."""
    own = parts(asset.id)
    if not own:
        return frozenset()
    if asset.kind is AssetKind.LOAD_BALANCER:
        return _of_balancer(own)
    plain = tuple(part for part in own if part not in _WORDS)
    suffixes = {path[begin:] for path in (own, plain) for begin in range(len(path))}
    return frozenset({one for one in suffixes if len(one) > 1 or _is_telling(one[0])} | {own})


def _is_telling(last: str) -> bool:
    """Whether a last part alone names one thing: the 3 of a scale set's fourth machine does not."""
    return len(last) > 3 and not last.isdigit()


def _of_balancer(own: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    host = own[-1]
    label = host.partition(".")[0].removeprefix("internal-")
    named = {(host,), own}
    if not re.fullmatch(r"[\d.:]+", host):
        # A classic balancer's DNS name is its name, a hyphen and digits that nothing else knows. Its name alone is no
        # name of ours: a database may have it, too.
        named |= {(label,), ("loadbalancer", label.rpartition("-")[0] or label)}
    return frozenset(named)


def of_resource(resource: str) -> tuple[tuple[str, ...], ...]:
    """The names to look for, the most telling first: the whole, without Google's words, last two joined, the last."""
    own = parts(resource)
    if not own:
        return ()
    plain = tuple(part for part in own if part not in _WORDS)
    candidates = [own, plain]
    if len(own) >= 2:
        candidates.append((f"{own[-2]}-{own[-1]}",))
    return tuple(dict.fromkeys([*candidates, own[-1:]]))


def is_ancestor(resource: tuple[str, ...], asset: tuple[str, ...]) -> bool:
    """Whether the resource is a path that the asset lies below, as a scale set is of its machines."""
    return _LEAST_ANCESTOR <= len(resource) < len(asset) and asset[: len(resource)] == resource
