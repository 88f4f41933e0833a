"""Which cluster, and as whom. Never a default: a context is named, or the pod's own ServiceAccount is said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from domain.clock import Clock
from domain.errors import KubeError, SettingsError
from kube.connection import Connection, Transport
from kube.metrics import ClientMetrics

_IDLE_CONNECTIONS: Final = 32
"""Kept for the next request (a TLS handshake each); the package's own limit of 5 for each core is for one thread."""

_USUAL: Final = "$KUBECONFIG or ~/.kube/config"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A context of a kubeconfig, or the cluster that this pod runs in.

    ``kubeconfig`` None is where kubectl looks: ``$KUBECONFIG``, then ``~/.kube/config``.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    in_cluster: bool = False


def connect(access: Access, *, clock: Clock, metrics: ClientMetrics | None = None) -> Connection:
    """Reads the credentials; nothing is sent yet.

    Raises:
        SettingsError: No context is named, there is no such context or file, or this is no pod.
    """
    if access.in_cluster and (access.context is not None or access.kubeconfig is not None):
        raise SettingsError("kubernetes: either inCluster or a kubeconfig's context, not both")
    if not access.in_cluster and not access.context:
        raise SettingsError(
            "kubernetes: name a context of the kubeconfig (--context, kubernetes.context in foretide.yaml) or say that "
            "this is a pod of the cluster (--in-cluster, kubernetes.inCluster): there is no default context"
        )
    return Connection(lambda: _transport(access), clock=clock, metrics=metrics)


def _transport(access: Access) -> Transport:
    """What package ``kubernetes`` makes of the kubeconfig; imported here because that takes 0.6 s."""
    try:
        from kubernetes.client.configuration import Configuration
        from kubernetes.client.rest import RESTClientObject
        from kubernetes.config import ConfigException, load_incluster_config, load_kube_config
    except ImportError as error:
        raise SettingsError("the package kubernetes is missing: pip install 'foretide[kubernetes]'") from error
    configuration = Configuration()
    configuration.keep_alive = True
    configuration.connection_pool_maxsize = _IDLE_CONNECTIONS
    file = str(access.kubeconfig) if access.kubeconfig is not None else None
    try:
        if access.in_cluster:
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
        else:
            load_kube_config(  # type: ignore[no-untyped-call]
                config_file=file, context=access.context, client_configuration=configuration, persist_config=False
            )
    except (ConfigException, OSError, TypeError, KeyError, ValueError) as error:
        where = "the pod's ServiceAccount" if access.in_cluster else f"{file or _USUAL}, context {access.context}"
        raise SettingsError(f"kubernetes: no access by {where}: {error}") from error

    def authorization() -> str | None:
        """The token of now: the hooks of package kubernetes read an expired one anew."""
        try:
            return configuration.get_api_key_with_prefix("BearerToken")
        except (ConfigException, OSError) as error:
            raise KubeError(f"the token cannot be read: {error}", status=0, reason="Credentials") from error

    pool = RESTClientObject(configuration).pool_manager
    return Transport(host=configuration.host.rstrip("/"), pool=pool, authorization=authorization)
