"""What is scraped: jobs, their targets, and how a target stands."""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final

from yarl import URL

from collector.exposition_line import Format
from collector.relabel import RelabelRule, relabelled
from domain.labels import METRIC_NAME, Labels
from domain.names import INSTANCE, JOB
from domain.units import format_duration, parse_duration

ADDRESS: Final = "__address__"
_STEERING: Final = ("__scheme__", "__metrics_path__")
_PARAM: Final = "__param_"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeLimits:
    """What a scrape may bring; one limit broken fails the whole scrape. 0 is no limit, as in Prometheus.

    Prometheus ships every limit off. Ours are on where one broken target could fill memory or disk: a page of 64 MB
    is about 450k series of 142 B.
    """

    body_size_bytes: int = 64 * 1024 * 1024
    """Of the page after decompression."""
    samples: int = 200_000
    labels: int = 0
    """For each series, its name and the target's labels included."""
    label_name_length: int = 0
    label_value_length: int = 0
    targets: int = 0
    """Of the job; with more, none of them is scraped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicAuth:
    """User and password; a password file is read anew for each scrape, so that it can be rotated."""

    username: str = ""
    password: str = field(default="", repr=False)
    password_file: Path | None = None

    def header(self) -> str:
        """The Authorization header; ``OSError`` where the file cannot be read."""
        password = self.password_file.read_text().strip() if self.password_file else self.password
        return "Basic " + base64.b64encode(f"{self.username}:{password}".encode()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """Any other scheme, usually Bearer; a credentials file is read anew for each scrape."""

    type: str = "Bearer"
    credentials: str = field(default="", repr=False)
    credentials_file: Path | None = None

    def header(self) -> str:
        """The Authorization header; ``OSError`` where the file cannot be read."""
        secret = self.credentials_file.read_text().strip() if self.credentials_file else self.credentials
        return f"{self.type} {secret}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How a target's certificate is checked."""

    insecure_skip_verify: bool = False
    ca_file: Path | None = None

    def context(self) -> ssl.SSLContext | bool:
        """What aiohttp takes: False skips the check; ``OSError`` where the CA file cannot be read."""
        if self.insecure_skip_verify:
            return False
        return ssl.create_default_context(cafile=str(self.ca_file)) if self.ca_file else True


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticConfig:
    """Addresses (``host:port``) with labels of their own."""

    targets: tuple[str, ...]
    labels: Labels = Labels()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which objects of one role are asked of the API server, by their labels and fields."""

    role: str
    label: str = ""
    field: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KubernetesDiscovery:
    """One entry of ``kubernetes_sd_configs``.

    Attributes:
        role: ``node``, ``service``, ``pod``, ``endpointslice`` or ``ingress``.
        namespaces: Where to look; empty is everywhere.
        own_namespace: Our own namespace, too.
        attach_node: Whether pods and endpoints carry the labels of their node.
    """

    role: str
    namespaces: tuple[str, ...] = ()
    own_namespace: bool = False
    selectors: tuple[Selector, ...] = ()
    attach_node: bool = False

    def selector(self, role: str) -> Selector:
        """How objects of ``role`` are chosen."""
        return next((one for one in self.selectors if one.role == role), Selector(role=role))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrapeJob:
    """One entry of ``scrape_configs``; names and defaults are Prometheus' (but for the limits)."""

    job_name: str
    scrape_interval: timedelta = timedelta(minutes=1)
    scrape_timeout: timedelta = timedelta(seconds=10)
    metrics_path: str = "/metrics"
    scheme: str = "http"
    params: tuple[tuple[str, str], ...] = ()
    honor_labels: bool = False
    honor_timestamps: bool = True
    enable_compression: bool = True
    follow_redirects: bool = True
    fallback_format: Format | None = None
    """For pages without a Content-Type that we know; None refuses them."""
    authorization: BasicAuth | Authorization | None = None
    tls: Tls = Tls()
    limits: ScrapeLimits = ScrapeLimits()
    relabel_configs: tuple[RelabelRule, ...] = field(default=(), compare=False)
    """What is left of them is in each target."""
    metric_relabel_configs: tuple[RelabelRule, ...] = ()
    static_configs: tuple[StaticConfig, ...] = field(default=(), compare=False)
    kubernetes_sd_configs: tuple[KubernetesDiscovery, ...] = field(default=(), compare=False)

    def targets(self) -> tuple[Target, ...]:
        """The targets of its static_configs, each once; one that relabelling drops or breaks is none."""
        listed: list[Target] = []
        for static in self.static_configs:
            for address in static.targets:
                if not self.relabel_configs:
                    listed.append(Target(job=self, address=address, group=static.labels))
                    continue
                with suppress(ValueError):
                    listed += filter(None, [self.target({ADDRESS: address, **dict(static.labels)})])
        return tuple(dict.fromkeys(listed))

    def target(self, discovered: Mapping[str, str]) -> Target | None:
        """What relabelling makes of a discovered target; None where it is dropped.

        Raises:
            ValueError: What is left cannot be scraped; one sentence.

        Source:
            Prometheus 3, scrape/target.go, PopulateLabels.
        """
        left = relabelled({**self._given(), **discovered}, self.relabel_configs)
        if left is None:
            return None
        address = left.pop(ADDRESS, "")
        if not address:
            raise ValueError("no address")
        if "/" in address or "@" in address:
            raise ValueError(f'"{address}" is not a valid hostname')
        job = self._timed(left.pop("__scrape_interval__", ""), left.pop("__scrape_timeout__", ""))
        kept = {
            name: value
            for name, value in left.items()
            if name in _STEERING or not name.startswith("__") or name.startswith(_PARAM)
        }
        return Target(job=job, address=address, group=Labels.of(kept))

    def _given(self) -> dict[str, str]:
        """What a target carries before relabelling, whoever discovered it."""
        params = {f"{_PARAM}{name}": value for name, value in reversed(self.params)}
        return {
            JOB: self.job_name,
            "__scheme__": self.scheme,
            "__metrics_path__": self.metrics_path,
            "__scrape_interval__": format_duration(self.scrape_interval),
            "__scrape_timeout__": format_duration(self.scrape_timeout),
            **params,
        }

    def _timed(self, interval: str, timeout: str) -> ScrapeJob:
        """The job with the times that relabelling left."""
        every, within = parse_duration(interval), parse_duration(timeout)
        if not every or not within:
            raise ValueError(f"scrape {'timeout' if every else 'interval'} cannot be 0")
        if within > every:
            raise ValueError(f"scrape timeout cannot be greater than scrape interval ({timeout} > {interval})")
        if (every, within) == (self.scrape_interval, self.scrape_timeout):
            return self
        return replace(self, scrape_interval=every, scrape_timeout=within)


@dataclass(frozen=True, kw_only=True)
class Target:
    """One page to scrape; equal targets are the same one.

    Attributes:
        job: How to scrape it.
        address: ``host:port``.
        group: Labels given to it; ``__scheme__``, ``__metrics_path__`` and ``__param_…`` steer the address instead.
    """

    job: ScrapeJob
    address: str
    group: Labels = Labels()

    def __hash__(self) -> int:
        return hash((self.job.job_name, self.address, self.group))

    @cached_property
    def url(self) -> URL:
        """Where its page is."""
        scheme = self.group.value_of("__scheme__") or self.job.scheme
        path = self.group.value_of("__metrics_path__") or self.job.metrics_path
        steered = {name.removeprefix(_PARAM): value for name, value in self.group if name.startswith(_PARAM)}
        params = [(name, steered.pop(name, value)) for name, value in self.job.params]
        params += steered.items()
        url = URL(f"{scheme}://{self.address}").with_path(path if path.startswith("/") else f"/{path}")
        return url.with_query(params) if params else url

    @cached_property
    def labels(self) -> Labels:
        """What every series of it carries: job, instance, and the labels of its group."""
        own = {name: value for name, value in self.group if not name.startswith("__")}
        return Labels.of({JOB: self.job.job_name, INSTANCE: self.address, **own})

    @cached_property
    def offset_ratio(self) -> float:
        """Its place within the interval (0 to 1), stable over restarts, so that scrapes spread out."""
        digest = hashlib.blake2b(f"{self.url}\0{self.labels}".encode(), digest_size=6).digest()
        return int.from_bytes(digest, "big") / 2**48

    def finish(self, page_labels: Labels) -> Labels:
        """Labels of the page with those of the target, relabelled; empty where that drops the series.

        On a conflict the page's label wins with ``honor_labels``, else it is kept as ``exported_<name>``.

        Raises:
            ValueError: A label limit is broken, or relabelling took the name away.
        """
        labels = dict(page_labels)
        for name, value in self.labels:
            if name in labels:
                if self.job.honor_labels:
                    continue
                moved, kept = f"exported_{name}", labels.pop(name)
                while moved in labels or any(moved == own for own, _ in self.labels):
                    moved = f"exported_{moved}"
                labels[moved] = kept
            labels[name] = value
        if self.job.metric_relabel_configs:
            left = relabelled(labels, self.job.metric_relabel_configs)
            if not left:
                return Labels()
            if METRIC_NAME not in left:
                raise ValueError("missing metric name after relabelling")
            labels = left
        finished = Labels(sorted(labels.items()))
        check_label_limits(finished, self.job.limits)
        return finished


def check_label_limits(labels: Labels, limits: ScrapeLimits) -> None:
    """``ValueError`` in Prometheus' words where a series has too many labels or too long ones."""
    metric = f"(metric: {labels.value_of(METRIC_NAME)[:50]}"
    if limits.labels and len(labels) > limits.labels:
        raise ValueError(f"label_limit exceeded {metric}, number of labels: {len(labels)}, limit: {limits.labels})")
    if not (limits.label_name_length or limits.label_value_length):
        return
    for name, value in labels:
        of = f"{metric}, label name: {name[:50]}"
        if limits.label_name_length and len(name.encode()) > limits.label_name_length:
            length = f"length: {len(name.encode())}, limit: {limits.label_name_length}"
            raise ValueError(f"label_name_length_limit exceeded {of}, {length})")
        if limits.label_value_length and len(value.encode()) > limits.label_value_length:
            length = f"length: {len(value.encode())}, limit: {limits.label_value_length}"
            raise ValueError(f"label_value_length_limit exceeded {of}, {length})")


class Health(StrEnum):
    """How the last scrape went."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStatus:
    """How a target stands, in Prometheus' words, for the status page.

    Attributes:
        last_error: One sentence; empty when the last scrape succeeded.
        last_scrape: When it was last tried; None before the first time.
        samples_scraped: Samples of the last page that was taken.
    """

    job: str
    instance: str
    labels: Labels
    scrape_url: str
    health: Health
    last_error: str
    last_scrape: datetime | None
    last_scrape_duration_seconds: float
    scrape_interval: timedelta
    scrape_timeout: timedelta
    samples_scraped: int
