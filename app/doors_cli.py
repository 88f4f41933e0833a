"""The options of ``foretide adapter`` and ``keda-scaler``; what they do stands in their packages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from app.reap_cli import Context, InCluster, Kubeconfig

Cert = Annotated[Path, typer.Option("--cert", help="Certificate, PEM; renewed in place, it is taken into use.")]
Key = Annotated[Path, typer.Option("--key", help="Its key, PEM.")]
Host = Annotated[str, typer.Option("--host", help="Address to listen on.")]
ServerUrl = Annotated[str, typer.Option("--server", help="Where Foretide runs.")]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="Its token; by default what FORETIDE_API_TOKEN says.")
]
_EVERYWHERE = "0.0.0.0"  # noqa: S104 (a pod's door)
_HERE = "http://127.0.0.1:8080"


def adapter(
    cert: Cert,
    key: Key,
    server: ServerUrl = _HERE,
    token_file: TokenFile = None,
    context: Context = None,
    kubeconfig: Kubeconfig = None,
    in_cluster: InCluster = False,
    host: Host = _EVERYWHERE,
    port: Annotated[int, typer.Option("--port", help="Port to listen on.")] = 9444,
) -> None:
    """Serve forecasts to HorizontalPodAutoscalers: external.metrics.k8s.io behind an APIService. See docs/doors.md."""
    from app.adapter.command import Wanted, serve
    from domain.errors import ForetideError, KubeError
    from kube import Access

    access = Access(kubeconfig=kubeconfig, context=context, in_cluster=in_cluster)
    try:
        serve(
            Wanted(access=access, server=server, token_file=token_file, host=host, port=port, certificate=cert, key=key)
        )
    except ForetideError as error:
        _fail(str(error), 4 if isinstance(error, KubeError) else 2)


def keda_scaler(
    cert: Cert,
    key: Key,
    client_ca: Annotated[
        Path | None, typer.Option("--client-ca", help="Only who shows a certificate of this authority (PEM) may ask.")
    ] = None,
    server: ServerUrl = _HERE,
    token_file: TokenFile = None,
    host: Host = _EVERYWHERE,
    port: Annotated[int, typer.Option("--port", help="Port to listen on.")] = 9445,
) -> None:
    """Serve forecasts to KEDA's ScaledObjects: an external scaler over gRPC with TLS. See docs/doors.md."""
    from domain.errors import ForetideError

    try:
        from app.keda_scaler.command import Wanted, serve

        serve(
            Wanted(
                server=server, token_file=token_file, host=host, port=port, certificate=cert, key=key,
                client_ca=client_ca,
            )
        )  # fmt: skip
    except ForetideError as error:
        _fail(str(error), 2)


def _fail(message: str, code: int) -> NoReturn:
    print(f"foretide: {message}", file=sys.stderr)
    raise typer.Exit(code)
