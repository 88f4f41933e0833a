"""Reads scrape jobs in Prometheus' own configuration format: ``global`` and ``scrape_configs``.

A Prometheus file can be taken as it is; what Foretide does not do yet is refused by name and place, never ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import yaml
from yarl import URL

from collector import document
from collector.document import Mistakes, Section
from collector.exposition_line import Format
from collector.kubernetes.config import kubernetes_discoveries
from collector.relabel_config import relabel_rules
from collector.targets import Authorization, BasicAuth, ScrapeJob, ScrapeLimits, StaticConfig, Target, Tls
from domain.labels import Labels

_LABEL_NAME: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_STEERING: Final = re.compile(r"__scheme__|__metrics_path__|__param_.+")
_DISCOVERIES: Final = (
    "azure consul digitalocean dns docker dockerswarm ec2 eureka file gce hetzner http ionos kuma lightsail "
    "linode marathon nerve nomad openstack ovhcloud puppetdb scaleway serverset stackit triton uyuni vultr"
).split()
_JOB_LATER: Final = {
    key: f"{key} are not supported yet"
    for key in (f"{name}_sd_configs" for name in _DISCOVERIES)
} | {
    key: f"{key} is not supported yet"
    for key in (
        "oauth2", "sigv4", "proxy_url", "proxy_from_environment", "no_proxy", "proxy_connect_header", "enable_http2",
        "http_headers", "bearer_token", "bearer_token_file", "scrape_protocols", "track_timestamps_staleness",
        "extra_scrape_metrics", "keep_dropped_targets", "native_histogram_bucket_limit", "scrape_failure_log_file",
        "native_histogram_min_bucket_factor", "scrape_native_histograms", "always_scrape_classic_histograms",
        "convert_classic_histograms_to_nhcb", "metric_name_validation_scheme", "metric_name_escaping_scheme",
    )
}  # fmt: skip
_FILE_LATER: Final = {
    key: f"{key} has no place in Foretide's scrape configuration"
    for key in (
        "alerting", "otlp", "remote_read", "remote_write", "rule_files", "runtime", "scrape_config_files", "storage",
        "tracing",
    )
}  # fmt: skip
_TLS_LATER: Final = {
    key: f"{key} is not supported yet"
    for key in ("ca", "cert", "cert_file", "key", "key_file", "max_version", "min_version", "server_name")
}
_FALLBACKS: Final = {"PrometheusText0.0.4": Format.TEXT, "OpenMetricsText1.0.0": Format.OPENMETRICS}


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalConfig:
    """What holds for every job that does not say otherwise.

    ``external_labels`` are kept for systems that Foretide speaks to; like Prometheus, it does not store them.
    """

    scrape_interval: timedelta = timedelta(minutes=1)
    scrape_timeout: timedelta = timedelta(seconds=10)
    evaluation_interval: timedelta = timedelta(minutes=1)
    external_labels: Labels = Labels()
    limits: ScrapeLimits = ScrapeLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeConfig:
    """The whole section."""

    global_: GlobalConfig = GlobalConfig()
    jobs: tuple[ScrapeJob, ...] = ()

    def targets(self) -> tuple[Target, ...]:
        """The static targets of every job."""
        return tuple(target for job in self.jobs for target in job.targets())


def parse_scrape_config(text: str, file: str) -> ScrapeConfig:
    """Read a text; ``RuleDocumentError`` with every mistake of it."""
    node = document.compose(text, file)
    return ScrapeConfig() if node is None else from_node(node, file)


def from_node(node: yaml.Node, file: str) -> ScrapeConfig:
    """Read a mapping with ``global`` and ``scrape_configs`` out of a larger document; errors as above."""
    mistakes = Mistakes(file)
    if document.is_null(node):
        return ScrapeConfig()
    if not isinstance(node, yaml.MappingNode):
        mistakes.add(node, "", "expected a mapping with global and scrape_configs")
        mistakes.raise_all()
        return ScrapeConfig()
    if document.refuse_aliases(node, mistakes):
        mistakes.raise_all()
    top = Section(node, "", mistakes)
    global_ = _global(top.section("global"))
    jobs = _jobs(top, global_, Path(file).parent)
    top.close(_FILE_LATER)
    mistakes.raise_all()
    return ScrapeConfig(global_=global_, jobs=jobs)


def _global(section: Section | None) -> GlobalConfig:
    default = GlobalConfig()
    if section is None:
        return default
    interval = section.take("scrape_interval", document.duration, default.scrape_interval)
    timeout = section.take("scrape_timeout", document.duration, min(default.scrape_timeout, interval))
    if timeout > interval:
        section.wrong("scrape_timeout", "global scrape timeout greater than scrape interval")
    evaluation = section.take("evaluation_interval", document.duration, default.evaluation_interval)
    labels = _labels(section.section("external_labels"), steering=False)
    limits = _limits(section, default.limits)
    section.close(_JOB_LATER | {"query_log_file": "query_log_file is not supported yet"})
    return GlobalConfig(
        scrape_interval=interval, scrape_timeout=timeout, evaluation_interval=evaluation, external_labels=labels,
        limits=limits,
    )  # fmt: skip


def _jobs(top: Section, global_: GlobalConfig, folder: Path) -> tuple[ScrapeJob, ...]:
    jobs: dict[str, ScrapeJob] = {}
    for node, field in top.items("scrape_configs"):
        if not isinstance(node, yaml.MappingNode):
            top.mistakes.add(node, field, "expected a mapping with job_name and static_configs")
            continue
        section = Section(node, field, top.mistakes)
        job = _job(section, global_, folder)
        if job.job_name in jobs:
            section.wrong("job_name", f'found multiple scrape configs with job name "{job.job_name}"')
        jobs.setdefault(job.job_name, job)
    return tuple(jobs.values())


def _job(section: Section, global_: GlobalConfig, folder: Path) -> ScrapeJob:
    name = section.take("job_name", document.text, "")
    if not name:
        section.wrong("job_name", "job_name is empty")
    interval = section.take("scrape_interval", document.duration, global_.scrape_interval)
    timeout = section.take("scrape_timeout", document.duration, min(global_.scrape_timeout, interval))
    if timeout > interval:
        message = f'scrape timeout greater than scrape interval for scrape config with job name "{name}"'
        section.wrong("scrape_timeout", message)
    scheme = section.take("scheme", document.text, "http")
    if scheme not in ("http", "https"):
        section.wrong("scheme", f"expected http or https, got {scheme!r}")
    rules = relabel_rules(section, "relabel_configs")
    job = ScrapeJob(
        job_name=name,
        scrape_interval=interval,
        scrape_timeout=timeout,
        metrics_path=section.take("metrics_path", document.text, "/metrics"),
        scheme=scheme,
        params=_params(section.section("params")),
        honor_labels=section.take("honor_labels", document.flag, False),
        honor_timestamps=section.take("honor_timestamps", document.flag, True),
        enable_compression=section.take("enable_compression", document.flag, True),
        follow_redirects=section.take("follow_redirects", document.flag, True),
        fallback_format=section.take("fallback_scrape_protocol", _fallback, None),
        authorization=_authorization(section, folder),
        tls=_tls(section.section("tls_config"), folder),
        limits=_limits(section, global_.limits),
        relabel_configs=rules,
        metric_relabel_configs=relabel_rules(section, "metric_relabel_configs"),
        static_configs=_static_configs(section, checked=not rules),
        kubernetes_sd_configs=kubernetes_discoveries(section),
    )
    section.close(_JOB_LATER)
    return job


def _limits(section: Section, default: ScrapeLimits) -> ScrapeLimits:
    return ScrapeLimits(
        body_size_bytes=section.take("body_size_limit", document.size_bytes, default.body_size_bytes),
        samples=section.take("sample_limit", document.count, default.samples),
        labels=section.take("label_limit", document.count, default.labels),
        label_name_length=section.take("label_name_length_limit", document.count, default.label_name_length),
        label_value_length=section.take("label_value_length_limit", document.count, default.label_value_length),
        targets=section.take("target_limit", document.count, default.targets),
    )


def _static_configs(section: Section, *, checked: bool) -> tuple[StaticConfig, ...]:
    """Addresses are checked where nothing rewrites them: a prober's targets are URLs until they are relabelled."""
    configs = []
    for node, field in section.items("static_configs"):
        if not isinstance(node, yaml.MappingNode):
            section.mistakes.add(node, field, "expected a mapping with targets and labels")
            continue
        static = Section(node, field, section.mistakes)
        addresses = [_address(item, path, section.mistakes, checked) for item, path in static.items("targets")]
        labels = _labels(static.section("labels"), steering=True)
        static.close({})
        configs.append(StaticConfig(targets=tuple(own for own in addresses if own), labels=labels))
    return tuple(configs)


def _address(node: yaml.Node, field: str, mistakes: Mistakes, checked: bool) -> str:
    try:
        address = document.text(node)
        if not checked:
            return address
        if "/" in address or "@" in address or not URL(f"http://{address}").host:
            raise ValueError(f'"{address}" is not a valid hostname; write host:port')
    except ValueError as error:
        mistakes.add(node, field, str(error))
        return ""
    return address


def _labels(section: Section | None, *, steering: bool) -> Labels:
    """Free label names and values; names with ``__`` only where they steer the address."""
    if section is None:
        return Labels()
    labels: dict[str, str] = {}
    for name, key in section.names():
        steers = steering and _STEERING.fullmatch(name) is not None
        if not _LABEL_NAME.fullmatch(name) or (name.startswith("__") and not steers):
            section.mistakes.add(key, section.path(name), f'"{name}" is not a valid label name here')
        labels[name] = section.take(name, document.text, "")
    return Labels.of(labels)


def _params(section: Section | None) -> tuple[tuple[str, str], ...]:
    if section is None:
        return ()
    pairs = []
    for name, _ in section.names():
        for item, field in section.items(name):
            try:
                pairs.append((name, document.text(item)))
            except ValueError as error:
                section.mistakes.add(item, field, str(error))
    return tuple(pairs)


def _authorization(section: Section, folder: Path) -> BasicAuth | Authorization | None:
    basic, other = section.section("basic_auth"), section.section("authorization")
    if basic and other:
        section.wrong("authorization", "at most one of basic_auth and authorization must be configured")
    if basic:
        password_file = _file(basic, "password_file", folder)
        auth = BasicAuth(
            username=basic.take("username", document.text, ""),
            password=basic.take("password", document.text, ""),
            password_file=password_file,
        )
        if auth.password and auth.password_file:
            basic.wrong("password_file", "at most one of password and password_file must be configured")
        basic.close({"username_file": "username_file is not supported yet"})
        return auth
    return _other_authorization(other, folder) if other else None


def _other_authorization(section: Section, folder: Path) -> Authorization:
    auth = Authorization(
        type=section.take("type", document.text, "Bearer"),
        credentials=section.take("credentials", document.text, ""),
        credentials_file=_file(section, "credentials_file", folder),
    )
    if auth.type.lower() == "basic":
        section.wrong("type", 'authorization type cannot be set to "basic", use "basic_auth" instead')
    if auth.credentials and auth.credentials_file:
        section.wrong("credentials_file", "at most one of credentials and credentials_file must be configured")
    section.close({})
    return auth


def _tls(section: Section | None, folder: Path) -> Tls:
    if section is None:
        return Tls()
    skip = section.take("insecure_skip_verify", document.flag, False)
    tls = Tls(insecure_skip_verify=skip, ca_file=_file(section, "ca_file", folder))
    section.close(_TLS_LATER)
    return tls


def _file(section: Section, key: str, folder: Path) -> Path | None:
    """A path, relative to the configuration's own folder as in Prometheus."""
    written: str | None = section.take(key, document.text, None)
    return folder / written if written else None


def _fallback(node: yaml.Node) -> Format | None:
    written = document.text(node)
    if written not in _FALLBACKS:
        raise ValueError(f"expected one of {', '.join(_FALLBACKS)}, got {written!r}")
    return _FALLBACKS[written]
