"""The Kubernetes client layer: auth, lists, watches, server-side apply and the Lease, for those who decide and act.

Package ``kubernetes`` is used for credentials and TLS only and is imported in ``kube.access`` alone, when connecting.
Objects are msgspec Structs with the fields that a rule needs (``kube.kinds``). Errors are ``domain.errors.KubeError``.

::

    connection = connect(Access(kubeconfig=None, context="prod"), clock=clock, metrics=ClientMetrics(registry) or None)
                                                                                  # or Access(in_cluster=True)
    connection.request("GET", "/version", query=None, body=None, content_type=None, timeout_seconds=10) -> bytes

    listed(connection, HPA, namespace=None, limit=500, label_selector=None, field_selector=None) -> Listing[Hpa]
        .objects: dict[(namespace, name), Hpa]     .resource_version
    read(connection, HPA, namespace="shop", name="checkout") -> Hpa                 # KubeError 404
    read_scale(connection, DEPLOYMENT, namespace="shop", name="checkout") -> Scale
    read(connection, HPA.as_dicts(), namespace="shop", name="checkout") -> dict     # every field
    custom(group="foretide.dev", version="v1alpha1", kind="ScalingRule", plural="scalingrules") -> Kind[dict]
    owners(hpa.metadata, "spec", "minReplicas") -> (Ownership(manager, operation, subresource, time, paths), …)

    writer = Writer(connection, field_manager="foretide", qps=20, burst=40, fence=elector.fence)
    writer.apply(HPA, "shop", "checkout", {"spec": {"minReplicas": 4}}, resource_version=None, uid=None, force=False,
                 subresource=None, dry_run=False, again=lambda: Fresh(body=…, resource_version=…) or None) -> dict
    writer.patch_merge(kind, namespace, name, body, resource_version=None, uid=None, subresource=None, dry_run=False,
                       again=None) -> dict
    writer.create(kind, namespace, body, dry_run=False) -> dict
    writer.delete(kind, namespace, name, uid=None, dry_run=False) -> None           # 404 is as good

    reflector = Reflector(connection, HPA, namespace=None, label_selector=None, field_selector=None)
    reflector.start()  .stop()  .wait_synced(timeout_seconds) -> bool
    reflector.synced  .objects() -> Mapping[(namespace, name), Hpa]  .revision  .problem (a sentence, or "")
    reflector.age_seconds()      # since the server was last heard: above 120 nothing is lowered, above 300 nothing done

    elector = Elector(connection, namespace="foretide", name="foretide-controller", identity="pod-uid_start",
                      times=LeaseTimes(lease_seconds=15, renew_seconds=10, retry_seconds=2, request_seconds=5),
                      at_least=lambda: highest_epoch_in_annotations)
    elector.start()  .stop() (gives the Lease back)     .leading() -> bool  .epoch  .leader  .problem
    elector.fence() -> Fence(epoch, holds_seconds) or NotLeadingError; RBAC: get, create, update of leases

    events = Events(Writer(connection, qps=2, burst=20), clock=clock);  events.start()  .stop()
    events.say(Regarding(api_version, kind, namespace, name, uid), "FloorRaised", "sentence", severity="Normal") -> bool

    KubeError: .status .reason .message .retry_after_seconds .causes
               .is_gone (410) .is_outdated (409 resourceVersion) .is_recreated (another uid, or gone)
               .is_owned_by_another (409 of an apply; .causes name the rival)
               .is_passing (no answer, 429, 5xx)
    NotLeadingError(KubeError): the fence is closed, or the body's foretide.dev/epoch is not the epoch of now
"""

from __future__ import annotations

from domain.errors import KubeError, NotLeadingError
from kube.access import Access, connect
from kube.connection import Connection
from kube.events import Events, Regarding
from kube.lease import Elector, LeaseTimes
from kube.listing import Listing, listed, read, read_scale
from kube.metrics import ClientMetrics
from kube.ownership import Ownership, owners, ownerships
from kube.reflector import Reflector
from kube.writer import Fence, Fresh, Writer

__all__ = [
    "Access",
    "ClientMetrics",
    "Connection",
    "Elector",
    "Events",
    "Fence",
    "Fresh",
    "KubeError",
    "LeaseTimes",
    "Listing",
    "NotLeadingError",
    "Ownership",
    "Reflector",
    "Regarding",
    "Writer",
    "connect",
    "listed",
    "owners",
    "ownerships",
    "read",
    "read_scale",
]
