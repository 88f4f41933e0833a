"""Settings, read once at start: the environment over foretide.yaml over defaults."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from alerts.delivery.settings import DeliverySettings
from alerts.routing.read import RoutingReading
from app.alerting.routes_section import read_routes
from app.alerting.section import of_section as delivery_of
from app.config_file import ConfigFile, Forecaster, KubernetesSection, Local, Retention
from app.kubernetes_parts import KubernetesConfig
from app.price_settings import PriceSettings, of_section
from app.sources import LOCAL, read_alertmanagers, read_sources
from app.token import MIN_TOKEN_LENGTH, read_token
from collector.config import ScrapeConfig, from_node
from controller.actuation.rings import Plan
from domain.errors import Mistake, RuleDocumentError, SettingsError
from forecaster.dask_pool import DaskConfig
from kube.access import Access
from rules.validate import mistakes_of
from rules.yaml_tree import Document, read
from store.prometheus import SourceConfig

DEFAULT_PORT: Final = 8080
DEFAULT_OTLP_PORT: Final = 4318
_PROMETHEUS_SECTIONS: Final = frozenset({"global", "scrape_configs"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All of it. The names of the environment's variables stand beside each field.

    Attributes:
        host: FORETIDE_HOST. Address to listen on; any other than loopback needs a token.
        port: FORETIDE_PORT. The one port of API, dashboard and probes.
        otlp_http_port: FORETIDE_OTLP_HTTP_PORT. A second door for OTLP/HTTP alone; None is off.
        api_token: FORETIDE_API_TOKEN, or the content of the file FORETIDE_API_TOKEN_FILE; None lets everybody on
            this machine in.
        data_dir: FORETIDE_DATA_DIR. Everything that is kept, and the local cluster's logs.
        database_url: FORETIDE_DATABASE_URL. SQLAlchemy URL of the control state.
        rules_dir: FORETIDE_RULES_DIR. Folder of rule documents; None when there is none.
        cluster: ``observe``, ``local`` or ``kubernetes``.
        kubernetes: Which cluster that is; None for the others.
        log_level: FORETIDE_LOG_LEVEL. debug, info, warning or error.
        log_format: FORETIDE_LOG_FORMAT. json, text, or auto: text on a terminal.
        sources: Prometheus-compatible servers that answer queries.
        default_source: Where queries go that name none.
        dask: The cluster that fits run on; None is this machine.
        challengers: What the served model is held against once a day.
        onnx_model: The file of challenger ``onnx``; None without it.
        challenged: On which signals; empty is the largest.
        prices: Files that prices come from.
        twins: Of workloads, both as ``namespace/Kind/name``: what applied changes are measured by.
        delivery: What holds for all receivers of alerts.
        rule_files: Paths and globs of Prometheus' rule files.
        evaluation_interval: Of groups of rules that name none.
        alertmanagers: Those that alerts are handed to.
        routes: Who is told of which alerts where there is no Alertmanager.
        otlp_endpoint: OTEL_EXPORTER_OTLP_ENDPOINT. Where our own spans are sent; None keeps them here.
    """

    host: str
    port: int
    otlp_http_port: int | None
    api_token: str | None = field(repr=False)
    data_dir: Path
    database_url: str = field(repr=False)
    rules_dir: Path | None
    cluster: str
    retention: RetentionTimes
    local: Local
    dask: DaskConfig | None
    challengers: tuple[str, ...]
    onnx_model: Path | None
    challenged: tuple[str, ...]
    scrape: ScrapeConfig
    sources: tuple[SourceConfig, ...] = ()
    default_source: str = LOCAL
    log_level: str
    log_format: str
    otlp_endpoint: str | None
    config_path: Path | None
    kubernetes: KubernetesConfig | None = None
    prices: PriceSettings = field(default_factory=PriceSettings)
    twins: Mapping[str, str] = field(default_factory=dict)
    delivery: DeliverySettings = field(default_factory=DeliverySettings)
    rule_files: tuple[str, ...] = ()
    evaluation_interval: timedelta = timedelta(minutes=1)
    alertmanagers: tuple[SourceConfig, ...] = ()
    routes: RoutingReading = field(default_factory=RoutingReading)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionTimes:
    """How long what is kept; see ``config_file.Retention``."""

    metrics: timedelta
    traces: timedelta
    decisions: timedelta
    forecasts: timedelta


def read_settings(*, config: Path | None, environment: Mapping[str, str], working_dir: Path) -> Settings:
    """Settings from ``config`` (or ./foretide.yaml if it is there) and the environment.

    Raises:
        SettingsError: One sentence for each thing that is wrong, with its place.
    """
    path = config
    if path is None and (working_dir / "foretide.yaml").is_file():
        path = working_dir / "foretide.yaml"
    file, scrape = _read_file(path) if path is not None else (ConfigFile(), ScrapeConfig())
    port = _port(environment, "FORETIDE_PORT", file.port, DEFAULT_PORT)
    host = environment.get("FORETIDE_HOST") or file.host or "127.0.0.1"
    token = read_token(environment)
    if token is None and not is_loopback(host):
        raise SettingsError(
            f"listening on {host} needs a token: set FORETIDE_API_TOKEN to {MIN_TOKEN_LENGTH} or more characters "
            "(or FORETIDE_API_TOKEN_FILE to a file with it), or listen on 127.0.0.1"
        )
    data_dir = working_dir / (environment.get("FORETIDE_DATA_DIR") or file.data_dir or "var")
    return Settings(
        host=host,
        port=port,
        otlp_http_port=_otlp_port(environment, file.otlp_http_port, port),
        api_token=token,
        data_dir=data_dir,
        database_url=environment.get("FORETIDE_DATABASE_URL")
        or file.database_url
        or f"sqlite:///{(data_dir / 'state.db').absolute()}",
        rules_dir=_rules_dir(environment, file.rules_dir, path, working_dir),
        cluster=file.cluster,
        retention=_retention(file.retention),
        local=file.local,
        dask=_dask(file.forecaster, path),
        challengers=file.forecaster.challengers,
        onnx_model=_onnx_model(file.forecaster, path),
        challenged=file.forecaster.challenged,
        scrape=scrape,
        sources=read_sources(file, folder=working_dir if path is None else path.parent, environment=environment),
        default_source=file.default_source,
        log_level=_choice(environment, "FORETIDE_LOG_LEVEL", ("info", "debug", "warning", "error")),
        log_format=_choice(environment, "FORETIDE_LOG_FORMAT", ("auto", "json", "text")),
        otlp_endpoint=environment.get("OTEL_EXPORTER_OTLP_ENDPOINT") or None,
        config_path=path,
        kubernetes=_kubernetes(file, path, environment),
        prices=of_section(file.prices, folder=working_dir if path is None else path.parent),
        twins=file.savings.twins,
        delivery=delivery_of(
            file.alerting, folder=working_dir if path is None else path.parent, environment=environment
        ),
        rule_files=tuple(str((working_dir if path is None else path.parent) / one) for one in file.rule_files),
        evaluation_interval=file.evaluation_interval or scrape.global_.evaluation_interval,
        routes=RoutingReading() if path is None else read_routes(path, handed_over=bool(file.alertmanagers)),
        alertmanagers=read_alertmanagers(
            file, folder=working_dir if path is None else path.parent, environment=environment
        ),
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _read_file(path: Path) -> tuple[ConfigFile, ScrapeConfig]:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error
    reading = read(raw, file=str(path))
    mistakes = [*reading.mistakes, *(mistake for document in reading.documents for mistake in document.mistakes)]
    if len(reading.documents) > 1:
        mistakes.append(reading.documents[1].mistake((), "expected one document in this file"))
    if not mistakes and reading.documents:
        file, mistakes = _validated(reading.documents[0])
        try:
            scrape = from_node(_prometheus_part(raw.decode()), str(path))
        except RuleDocumentError as error:
            mistakes += error.mistakes
        if file is not None and not mistakes:
            _check_discoveries(scrape, file.cluster, path)
            return file, scrape
    if mistakes:
        raise SettingsError("\n".join(str(mistake) for mistake in sorted(mistakes, key=lambda one: one.line)))
    return ConfigFile(), ScrapeConfig()


def _check_discoveries(scrape: ScrapeConfig, cluster: str, path: Path) -> None:
    """Only a cluster that we were told of may be asked for targets: no default one is ever taken."""
    asking = [job.job_name for job in scrape.jobs if job.kubernetes_sd_configs]
    if asking and cluster != "kubernetes":
        raise SettingsError(f"{path}: kubernetes_sd_configs of job {asking[0]!r} need cluster: kubernetes")


def _validated(document: Document) -> tuple[ConfigFile | None, list[Mistake]]:
    data = {} if document.data is None else document.data
    try:
        return ConfigFile.model_validate(data), []
    except ValidationError as error:
        return None, mistakes_of(document, error, ConfigFile)


def _prometheus_part(text: str) -> yaml.MappingNode:
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    entries = [] if not isinstance(root, yaml.MappingNode) else root.value
    kept = [(key, value) for key, value in entries if key.value in _PROMETHEUS_SECTIONS]
    mark = yaml.Mark("", 0, 0, 0, None, 0) if root is None else root.start_mark
    return yaml.MappingNode("tag:yaml.org,2002:map", kept, start_mark=mark, end_mark=mark)


def _port(environment: Mapping[str, str], name: str, from_file: int | None, default: int) -> int:
    given = environment.get(name)
    if not given:
        return default if from_file is None else from_file
    if not given.isascii() or not given.isdigit() or len(given) > 5 or int(given) > 65535:
        raise SettingsError(f"{name} is {given!r}; expected a port from 0 to 65535")
    return int(given)


def _otlp_port(environment: Mapping[str, str], from_file: int | None, port: int) -> int | None:
    # Off beside a port that was changed: two instances shall run side by side without a word.
    default = DEFAULT_OTLP_PORT if port == DEFAULT_PORT else 0
    return _port(environment, "FORETIDE_OTLP_HTTP_PORT", from_file, default) or None


def _rules_dir(
    environment: Mapping[str, str], from_file: str | None, config: Path | None, working_dir: Path
) -> Path | None:
    if given := environment.get("FORETIDE_RULES_DIR"):
        return working_dir / given
    if config is None:
        return None
    if from_file is not None:
        return config.parent / from_file
    beside = config.parent / "rules"
    # A `rules` that is a Python package (this very repository) is not the operator's folder.
    return beside if beside.is_dir() and not (beside / "__init__.py").exists() else None


def _retention(given: Retention) -> RetentionTimes:
    return RetentionTimes(
        metrics=given.metrics or timedelta(days=15),
        traces=given.traces or timedelta(hours=24),
        decisions=given.decisions or timedelta(days=30),
        forecasts=given.forecasts or timedelta(days=2),
    )


def _dask(given: Forecaster, config: Path | None) -> DaskConfig | None:
    if given.dask is None:
        return None
    wanted = given.dask
    beside = Path() if config is None else config.parent
    files = {name: getattr(wanted, name) for name in ("tls_ca", "tls_cert", "tls_key")}
    encrypted = wanted.scheduler.startswith("tls://")
    if not wanted.scheduler.startswith(("tcp://", "tls://")):
        raise SettingsError(f"{config}: forecaster.dask.scheduler: expected tcp://host:port or tls://host:port")
    if wrong := [name for name, file in files.items() if (file is not None) != encrypted]:
        expected = "are needed by a tls:// scheduler" if encrypted else "belong to a tls:// scheduler"
        raise SettingsError(f"{config}: forecaster.dask: {', '.join(wrong)} {expected}")
    return DaskConfig(
        scheduler=wanted.scheduler, **{name: file and str(beside / file) for name, file in files.items()}
    )  # fmt: skip


def _kubernetes(file: ConfigFile, config: Path | None, environment: Mapping[str, str]) -> KubernetesConfig | None:
    """FORETIDE_FREEZE stops every write as long as this process runs; its value says why."""
    given = file.kubernetes
    if file.cluster != "kubernetes":
        if given != KubernetesSection():
            raise SettingsError(f"{config}: kubernetes: goes with cluster: kubernetes, not with {file.cluster}")
        return None
    if given.in_cluster == (given.context is not None):
        raise SettingsError(f"{config}: kubernetes: say which cluster: either context, or inCluster: true")
    if given.in_cluster and given.kubeconfig is not None:
        raise SettingsError(f"{config}: kubernetes.kubeconfig: goes with context, not with inCluster")
    beside = Path() if config is None else config.parent
    kubeconfig = None if given.kubeconfig is None else beside / given.kubeconfig
    return KubernetesConfig(
        access=Access(kubeconfig=kubeconfig, context=given.context, in_cluster=given.in_cluster),
        namespace=given.namespace, lease=given.lease, writes_per_second=given.writes_per_second,
        changes_per_minute=given.changes_per_minute, rings=_rings(given, config), documents=given.documents,
        most_added_cores=None if given.most_added_cores is None else float(given.most_added_cores),
        collect=given.collect, collect_labels=_labels(given, config),
        freeze=environment.get("FORETIDE_FREEZE", "").strip(),
    )  # fmt: skip


def _labels(given: KubernetesSection, config: Path | None) -> tuple[str, ...]:
    if given.collect_labels and not given.collect:
        raise SettingsError(f"{config}: kubernetes.collect_labels: goes with collect: true")
    return given.collect_labels


def _rings(given: KubernetesSection, config: Path | None) -> Plan | None:
    shares = given.rings
    if list(shares) != sorted(set(shares)) or shares[-1] != 1.0:
        raise SettingsError(f"{config}: kubernetes.rings: expected rising shares of which the last is 100%")
    if len(shares) == 1:
        return None
    return Plan(shares=shares, soak=given.ring_soak, first=given.rings_first)


def _onnx_model(given: Forecaster, config: Path | None) -> Path | None:
    if ("onnx" in given.challengers) != (given.onnx_model is not None):
        raise SettingsError(f"{config}: forecaster: challenger onnx and onnx_model, its file, belong together")
    beside = Path() if config is None else config.parent
    return None if given.onnx_model is None else beside / given.onnx_model


def _choice(environment: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    given = (environment.get(name) or choices[0]).lower()
    if given not in choices:
        raise SettingsError(f"{name} is {given!r}; expected one of {', '.join(choices)}")
    return given
