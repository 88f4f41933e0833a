"""foretide.yaml as a strict model: the same care as for rule documents, every mistake at its line.

The sections ``global`` and ``scrape_configs`` are Prometheus' own and are read by ``collector.config``.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.alerting.section import AlertingSection
from app.price_settings import PricesSection
from app.savings_settings import SavingsSection
from rules.amounts import Duration, PositiveQuantity, WholeNumber
from rules.fields import DnsLabel, LabelKey, Text


def _percent(value: object) -> float:
    """``10%`` as a ratio, above 0 and at most 100 %."""
    digits = value.removesuffix("%") if isinstance(value, str) and value.endswith("%") else ""
    if not _PERCENT.fullmatch(digits) or not 0 < float(digits) <= 100:
        raise ValueError(f"expected a share such as 10%, above 0% and at most 100%; found {value!r}")
    return float(digits) / 100


_PERCENT = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?", re.ASCII)
Percent = Annotated[float, BeforeValidator(_percent)]
Port = Annotated[WholeNumber, Field(ge=0, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Retention(_Section):
    """How long what is kept."""

    metrics: Duration | None = None
    """Samples; default 15d."""
    traces: Duration | None = None
    """Spans; default 24h."""
    decisions: Duration | None = None
    """Decisions and actions with their whole why, one per rule each 15 s; default 30d."""
    forecasts: Duration | None = None
    """Forecasts that were served, one per signal and minute; default 2d."""


class Process(_Section):
    """A process that cluster ``local`` starts, each with a listening loopback socket of its own (``{fd}``)."""

    namespace: DnsLabel
    name: DnsLabel
    command: Annotated[tuple[Text, ...], Field(min_length=1)]
    """Program and arguments; ``{fd}`` is the socket's file descriptor, ``{python}`` this interpreter,
    ``{endpoints:NAME}`` the file of workload NAME's ready endpoints in Prometheus' file_sd format."""
    env: dict[Text, Text] = {}
    """Added to the environment; ``{otlp}`` is the base URL of our own OTLP door."""


class Workload(Process):
    """A workload of cluster ``local``: its replicas are processes."""

    requests: dict[Literal["cpu", "memory"], PositiveQuantity] = {}
    """What one replica asks for, as in a pod; the price sheet and utilisation triggers count with it."""
    replicas: Annotated[WholeNumber, Field(ge=1, le=8)] = 1
    """Started with, unless the ledger knows better after a short stop; rules change it later. 8 fit on a laptop."""


class Local(_Section):
    """Cluster ``local``: real processes on this machine, for the demo."""

    workloads: tuple[Workload, ...] = ()
    companions: tuple[Process, ...] = ()
    """One process each, beside the workloads: a load generator."""


class BasicAuthSection(_Section):
    """User name and password, as in Prometheus' ``basic_auth``."""

    username: Text
    password_file: Text | None = None
    """Read again for each query; relative to this file."""
    password_env: Text | None = None
    """Name of the environment's variable that holds it; read once, at start. Either this or the file."""


class AuthorizationSection(_Section):
    """A token, as in Prometheus' ``authorization``."""

    type: Text = "Bearer"
    credentials_file: Text | None = None
    """Read again for each query; relative to this file."""
    credentials_env: Text | None = None


class OAuth2Section(_Section):
    """Client credentials, as in Prometheus' ``oauth2``."""

    client_id: Text
    client_secret_file: Text | None = None
    client_secret_env: Text | None = None
    token_url: Text
    scopes: tuple[Text, ...] = ()
    endpoint_params: dict[Text, Text] = {}
    """Further fields of the token request, for example ``audience``."""


class SigV4Section(_Section):
    """AWS' signatures, as in Prometheus' ``sigv4``."""

    region: Text
    access_key_env: Text = "AWS_ACCESS_KEY_ID"
    secret_key_env: Text = "AWS_SECRET_ACCESS_KEY"
    session_token_env: Text = "AWS_SESSION_TOKEN"
    """Left out where the variable is not there."""
    service: Text = "aps"


class TlsSection(_Section):
    """As in Prometheus' ``tls_config``; files are relative to this one."""

    ca_file: Text | None = None
    cert_file: Text | None = None
    """With ``key_file``: who we are (mTLS)."""
    key_file: Text | None = None
    insecure_skip_verify: bool = False


class Source(_Section):
    """A server whose guests we are: Prometheus-compatible, or a store of traces."""

    name: DnsLabel
    """As rules call it; not ``local``, which is the embedded store."""
    kind: Literal["prometheus", "jaeger", "tempo"] = "prometheus"
    """What it speaks. Of ``jaeger`` and ``tempo`` traces are read through, and RED where they keep it."""
    services: tuple[Text, ...] = ()
    """Of ``jaeger`` and ``tempo``: services whose RED is read besides those of ``trace`` triggers."""
    url: Text
    """Base URL, without ``/api/v1/query`` (``/api/traces``) and without user or password."""
    basic_auth: BasicAuthSection | None = None
    authorization: AuthorizationSection | None = None
    oauth2: OAuth2Section | None = None
    sigv4: SigV4Section | None = None
    tls_config: TlsSection = TlsSection()
    tenant: Text | None = None
    """``X-Scope-OrgID``, for Mimir and Cortex."""
    headers: dict[Text, Text] = {}
    """Further headers; nothing secret."""
    step: Duration | None = None
    """Instant queries are aligned to it, and many rules' queries asked once for it; default 15s."""
    timeout: Duration | None = None
    """Of one query; default 10s."""
    max_concurrent: Annotated[WholeNumber, Field(ge=1, le=64)] = 4
    max_queries_per_second: Annotated[WholeNumber, Field(ge=1, le=1000)] = 20
    backfill_queries_per_second: Annotated[WholeNumber, Field(ge=1, le=100)] = 1
    """Of these, how many may read histories."""
    remote_write_url: Text | None = None
    """Where forecasts are written back, with the same authentication; default nowhere."""


class AlertmanagerSection(_Section):
    """An Alertmanager that alerts are handed to; the same words as of a source."""

    url: Text
    """Base URL, without ``/api/v2/alerts`` and without user or password."""
    basic_auth: BasicAuthSection | None = None
    authorization: AuthorizationSection | None = None
    oauth2: OAuth2Section | None = None
    sigv4: SigV4Section | None = None
    tls_config: TlsSection = TlsSection()
    tenant: Text | None = None
    headers: dict[Text, Text] = {}
    timeout: Duration | None = None
    """Of one batch; default 10s."""


class Dask(_Section):
    """A Dask cluster that fits run on."""

    scheduler: Text
    """``tcp://host:8786`` or ``tls://host:8786``; needs the extra ``dask``, and Foretide on the cluster's workers."""
    tls_ca: Text | None = None
    """PEM file of the authority, for ``tls://``. Files are relative to this file."""
    tls_cert: Text | None = None
    """Our certificate."""
    tls_key: Text | None = None
    """Its key."""


class Forecaster(_Section):
    """Where forecasts are made, and what they are held against."""

    dask: Dask | None = None
    """None fits in a process of this machine."""
    challengers: tuple[Literal["statsforecast", "onnx"], ...] = ()
    """Models that are held against the served one once a day, told and never served; each needs its extra."""
    challenged: tuple[Text, ...] = ()
    """Signals (``namespace/rule/trigger``) they are held against it on; default the three largest."""
    onnx_model: Text | None = None
    """File of challenger ``onnx``; relative to this file."""


class KubernetesSection(_Section):
    """Cluster ``kubernetes``: which one, and how carefully."""

    context: Text | None = None
    """Of the kubeconfig; there is no default, so that no rule ever acts on the cluster that happens to be current."""
    in_cluster: Annotated[bool, Field(alias="inCluster")] = False
    """In place of ``context``: the cluster that this pod runs in, as its ServiceAccount."""
    kubeconfig: Text | None = None
    """Default as kubectl: ``$KUBECONFIG``, then ``~/.kube/config``. Relative to this file."""
    namespace: DnsLabel = "foretide"
    """Foretide's own: its Lease and its kill switch are there, and nothing in it is scaled."""
    lease: DnsLabel = "foretide-controller"
    """Whoever holds it acts."""
    writes_per_second: Annotated[WholeNumber, Field(ge=1, le=1000)] = 20
    """To the API server, twice as many at once."""
    changes_per_minute: Annotated[WholeNumber, Field(ge=1, le=100_000)] = 50
    """How many autoscalers' bounds move within a minute at most; the others wait."""
    most_added_cores: PositiveQuantity | None = None
    """Cores that all raised floors may add together to their owners' own; default as many as they want."""
    rings: Annotated[tuple[Percent, ...], Field(min_length=1, max_length=10)] = (0.01, 0.1, 1.0)
    """What is new acts in so many of its namespaces first; rising, the last is 100%. [100%]: everywhere at once."""
    ring_soak: Duration = timedelta(minutes=15)
    """How long each ring stands before the next is opened."""
    rings_first: tuple[DnsLabel, ...] = ()
    """Namespaces that come before all others."""
    documents: bool = False
    """Read rules and all other documents from the cluster, too: objects of our CRDs, whose status is written."""
    collect: bool = True
    """Whether pods, nodes, workloads and their usage are watched and kept as series."""
    collect_labels: Annotated[tuple[LabelKey, ...], Field(max_length=20)] = ()
    """Labels of pods, claims and Services that are kept, too; default none, since each is a series for each pod."""


class ConfigFile(_Section):
    """The whole file; every field may be left out, and the environment wins over it."""

    host: Text | None = None
    """Address to listen on; default 127.0.0.1. Any other than loopback needs a token."""
    port: Port | None = None
    """Default 8080."""
    otlp_http_port: Port | None = None
    """A second door for OTLP/HTTP alone; default 4318 when port is 8080, else off. 0 is off."""
    data_dir: Text | None = None
    """Where everything is kept; default ./var. Relative to the working directory."""
    database_url: Text | None = None
    """SQLAlchemy URL of the control state; default an SQLite file in data_dir."""
    rules_dir: Text | None = None
    """Folder of rule documents; default ``rules`` beside this file, if that is there. Relative to this file."""
    cluster: Literal["observe", "local", "kubernetes"] = "observe"
    """What rules act on: ``observe`` acts on nothing, ``local`` on the processes below, ``kubernetes`` on a cluster."""
    kubernetes: KubernetesSection = KubernetesSection()
    retention: Retention = Retention()
    sources: tuple[Source, ...] = ()
    default_source: DnsLabel = "local"
    """Where queries go that name no source, those about replicas included: ``local`` is the embedded store."""
    local: Local = Local()
    forecaster: Forecaster = Forecaster()
    prices: PricesSection = PricesSection()
    savings: SavingsSection = SavingsSection()
    alerting: AlertingSection = AlertingSection()
    rule_files: tuple[Text, ...] = ()
    """Prometheus' rule files: paths and globs, relative to this file. Those among the documents of ``rules_dir`` are
    found by their content."""
    evaluation_interval: Duration | None = None
    """Of groups that name none; default ``global.evaluation_interval``, then 1m."""
    alertmanagers: Annotated[tuple[AlertmanagerSection, ...], Field(max_length=10)] = ()
    """Each is handed every alert."""
    global_: Annotated[Any, Field(alias="global")] = None
    scrape_configs: Any = None
