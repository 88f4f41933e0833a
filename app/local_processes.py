"""Between foretide.yaml, the local cluster's processes and the scraper that follows them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from app import config_file
from app.settings import Settings
from collector.config import ScrapeConfig
from collector.targets import ScrapeJob, Target
from controller.cluster import Cluster
from controller.cluster.local import Companion, LocalCluster, LocalWorkload
from domain.errors import SettingsError
from domain.names import JOB
from domain.scaling import WorkloadRef
from domain.workloads import WorkloadFacts

_ENDPOINTS: Final = re.compile(r"\{endpoints:([^}]*)\}")


def cluster(settings: Settings, *, base_url: str, environment: Mapping[str, str]) -> LocalCluster:
    """The local cluster of foretide.yaml.

    Raises:
        SettingsError: Two processes have one name, or a command names a workload that is not there.
    """
    _refuse_namesakes(settings)
    folder = settings.data_dir.absolute() / "local"
    files = {one.name: folder / f"{one.namespace}-{one.name}.endpoints.json" for one in settings.local.workloads}
    return LocalCluster(
        [_workload(one, files, base_url) for one in settings.local.workloads],
        companions=[_companion(one, files, base_url) for one in settings.local.companions],
        folder=folder,
        environment=child_environment(settings, environment),
    )


def child_environment(settings: Settings, environment: Mapping[str, str]) -> dict[str, str]:
    """What every process starts with: ours, without our settings and secrets, with the key to the OTLP door."""
    inherited = {name: value for name, value in environment.items() if not name.startswith("FORETIDE_")}
    if settings.api_token is not None:
        inherited["OTEL_EXPORTER_OTLP_HEADERS"] = f"authorization=Bearer%20{quote(settings.api_token, safe='')}"
    return inherited


def known(settings: Settings) -> tuple[WorkloadFacts, ...]:
    """The workloads of foretide.yaml, for policies; they have no labels."""
    return tuple(
        WorkloadFacts(kind="Deployment", namespace=one.namespace, name=one.name) for one in settings.local.workloads
    )


def scrape_targets(running: Cluster, scrape: ScrapeConfig) -> Sequence[Target]:
    """The processes that run now, as targets of the scraper; none where the cluster is another."""
    if not isinstance(running, LocalCluster):
        return ()
    defaults = scrape.global_
    return [
        Target(
            job=ScrapeJob(
                job_name=one.labels.value_of(JOB),
                scrape_interval=defaults.scrape_interval,
                scrape_timeout=defaults.scrape_timeout,
                limits=defaults.limits,
            ),
            address=one.address,
            group=one.labels,
        )
        for one in running.scrape_targets()
    ]


def _refuse_namesakes(settings: Settings) -> None:
    """Commands know workloads by name alone, and a process' log file is called after it."""
    counts = Counter(one.name for one in (*settings.local.workloads, *settings.local.companions))
    if twice := [name for name, count in counts.items() if count > 1]:
        raise SettingsError(f"local processes need names of their own; used twice: {', '.join(twice)}")


def _workload(one: config_file.Workload, files: Mapping[str, Path], base_url: str) -> LocalWorkload:
    return LocalWorkload(
        ref=WorkloadRef(kind="Deployment", namespace=one.namespace, name=one.name),
        command=_command(one, files),
        requests={name: float(quantity) for name, quantity in one.requests.items()},
        env=_env(one, base_url),
        replicas=one.replicas,
        endpoints_file=files[one.name],
    )


def _companion(one: config_file.Process, files: Mapping[str, Path], base_url: str) -> Companion:
    return Companion(name=one.name, namespace=one.namespace, command=_command(one, files), env=_env(one, base_url))


def _command(one: config_file.Process, files: Mapping[str, Path]) -> tuple[str, ...]:
    def endpoints(match: re.Match[str]) -> str:
        if match[1] not in files:
            raise SettingsError(f"local process {one.name}: {match[0]} names no workload; known are {', '.join(files)}")
        return str(files[match[1]])

    return tuple(_ENDPOINTS.sub(endpoints, part) for part in one.command)


def _env(one: config_file.Process, base_url: str) -> dict[str, str]:
    return {name: value.replace("{otlp}", base_url) for name, value in one.env.items()}
