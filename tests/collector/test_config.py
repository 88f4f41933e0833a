from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from collector.config import from_node, parse_scrape_config
from collector.exposition_line import Format
from collector.targets import Authorization, BasicAuth, KubernetesDiscovery, ScrapeLimits, Selector
from domain.errors import RuleDocumentError
from domain.labels import Labels

FULL = """\
global:
  scrape_interval: 30s
  evaluation_interval: 15s
  external_labels: {cluster: eu1}
scrape_configs:
- job_name: shop
  scrape_interval: 5s
  metrics_path: /internal/metrics
  scheme: https
  params: {module: [a, b]}
  honor_labels: true
  honor_timestamps: false
  fallback_scrape_protocol: PrometheusText0.0.4
  basic_auth: {username: scraper, password_file: secret}
  tls_config: {insecure_skip_verify: true}
  body_size_limit: 1MB
  sample_limit: 0
  label_limit: 30
  static_configs:
  - targets: ['127.0.0.1:9100', "[::1]:9100"]
    labels: {zone: a, shard: 1}
- job_name: plain
  authorization: {credentials: token}
  static_configs: [{targets: [localhost:9090]}]
"""


def mistakes_of(text: str) -> list[str]:
    with pytest.raises(RuleDocumentError) as caught:
        parse_scrape_config(text, "foretide.yaml")
    return [str(mistake) for mistake in caught.value.mistakes]


def one_job(line: str) -> str:
    return f"scrape_configs:\n- job_name: a\n  {line}\n"


def test_reads_a_prometheus_file() -> None:
    config = parse_scrape_config(FULL, "/etc/foretide/foretide.yaml")

    assert config.global_.external_labels == Labels.of(cluster="eu1")
    shop, plain = config.jobs
    assert (shop.scrape_interval, shop.scrape_timeout) == (timedelta(seconds=5), timedelta(seconds=5))
    assert (plain.scrape_interval, plain.scrape_timeout) == (timedelta(seconds=30), timedelta(seconds=10))
    assert shop.authorization == BasicAuth(username="scraper", password_file=Path("/etc/foretide/secret"))
    assert plain.authorization == Authorization(type="Bearer", credentials="token")
    assert shop.limits == ScrapeLimits(body_size_bytes=1024 * 1024, samples=0, labels=30)
    assert (shop.honor_labels, shop.honor_timestamps) == (True, False)
    assert shop.fallback_format is Format.TEXT
    first, second, third = config.targets()
    assert str(first.url) == "https://127.0.0.1:9100/internal/metrics?module=a&module=b"
    assert first.labels == Labels.of(job="shop", instance="127.0.0.1:9100", zone="a", shard="1")
    assert str(second.url) == "https://[::1]:9100/internal/metrics?module=a&module=b"
    assert str(third.url) == "http://localhost:9090/metrics"


def test_defaults_are_those_of_prometheus_with_limits_of_our_own() -> None:
    (job,) = parse_scrape_config("scrape_configs: [{job_name: a}]", "f").jobs

    assert (job.scrape_interval, job.scrape_timeout) == (timedelta(minutes=1), timedelta(seconds=10))
    assert (job.metrics_path, job.scheme, job.honor_labels, job.honor_timestamps) == ("/metrics", "http", False, True)
    assert (job.limits.body_size_bytes, job.limits.samples) == (64 * 1024 * 1024, 200_000)


@pytest.mark.parametrize("text", ["", "# nothing\n", "scrape_configs:\n", "global:\n", "{}"])
def test_nothing_configured_is_no_mistake(text: str) -> None:
    assert parse_scrape_config(text, "f").jobs == ()


def test_labels_may_steer_the_address() -> None:
    text = one_job(
        "static_configs: [{targets: [h:1], labels: {__scheme__: https, __metrics_path__: /m, __param_q: z}}]"
    )

    (target,) = parse_scrape_config(text, "f").targets()

    assert str(target.url) == "https://h:1/m?q=z"
    assert target.labels == Labels.of(job="a", instance="h:1")


def test_kubernetes_discovery_is_read_as_prometheus_writes_it() -> None:
    text = one_job(
        "kubernetes_sd_configs: [{role: endpointslice, namespaces: {names: [shop, shop], own_namespace: true}, "
        "selectors: [{role: pod, label: app=web, field: spec.nodeName=a}], attach_metadata: {node: true}}]"
    )

    (job,) = parse_scrape_config(text, "f").jobs

    assert job.kubernetes_sd_configs == (
        KubernetesDiscovery(
            role="endpointslice", namespaces=("shop",), own_namespace=True, attach_node=True,
            selectors=(Selector(role="pod", label="app=web", field="spec.nodeName=a"),),
        ),
    )  # fmt: skip
    assert job.kubernetes_sd_configs[0].selector("service") == Selector(role="service")


def test_static_targets_are_relabelled_and_a_probers_urls_become_parameters() -> None:
    text = (
        "scrape_configs:\n- job_name: probe\n  params: {module: [http_2xx, b]}\n"
        "  static_configs: [{targets: ['https://a/x', gone, 'b:1']}]\n"
        "  relabel_configs:\n"
        "  - {source_labels: [__address__], regex: gone, action: drop}\n"
        "  - {source_labels: [__address__], target_label: __param_target}\n"
        "  - {source_labels: [__param_target], target_label: instance}\n"
        "  - {target_label: __param_module, replacement: tcp}\n"
        "  - {target_label: __scrape_interval__, replacement: 5m}\n"
        "  - {target_label: __tmp, replacement: nobody}\n"
        "  - {target_label: __address__, replacement: 'prober:9115'}\n"
    )

    first, second = parse_scrape_config(text, "f").targets()

    assert str(first.url) == "http://prober:9115/metrics?module=tcp&module=b&target=https://a/x"
    assert first.labels == Labels.of(job="probe", instance="https://a/x")
    assert first.job.scrape_interval == timedelta(minutes=5)
    assert second.labels == Labels.of(job="probe", instance="b:1")


def test_a_target_given_twice_is_scraped_once() -> None:
    text = one_job("static_configs: [{targets: [h:1, h:1]}, {targets: [h:1]}]")

    assert len(parse_scrape_config(text, "f").targets()) == 1


def test_every_mistake_is_told_at_once_with_its_place() -> None:
    text = (
        "global:\n  scrape_interval: 15\n"
        "scrape_configs:\n"
        "- job_name: a\n  scrap_interval: 5s\n  consul_sd_configs: [{}]\n"
        "- job_name: a\n  static_configs:\n  - targets: ['http://h:1/metrics']\n"
    )

    assert mistakes_of(text) == [
        "foretide.yaml:2:20: global.scrape_interval: '15' is not a duration; write for example 15s, 5m, 1h30m or 21d",
        "foretide.yaml:5:3: scrape_configs[0].scrap_interval: "
        "unknown key scrap_interval; did you mean scrape_interval?",
        "foretide.yaml:6:3: scrape_configs[0].consul_sd_configs: consul_sd_configs are not supported yet",
        'foretide.yaml:7:13: scrape_configs[1].job_name: found multiple scrape configs with job name "a"',
        "foretide.yaml:9:15: scrape_configs[1].static_configs[0].targets[0]: "
        '"http://h:1/metrics" is not a valid hostname; write host:port',
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("scrape_timeout: 2m", "scrape timeout greater than scrape interval"),
        ("scrape_interval: 0s", "expected a duration above 0"),
        ("sample_limit: -1", "expected a whole number of 0 or more, got '-1'"),
        ("sample_limit: many", "expected a whole number of 0 or more, got 'many'"),
        ("body_size_limit: 3 pounds", "'3 pounds' is not a size"),
        ("honor_labels: maybe", "expected true or false, got 'maybe'"),
        ("scheme: ftp", "expected http or https, got 'ftp'"),
        ("static_configs: {targets: []}", "expected a list, got a mapping"),
        ("static_configs: [h:1]", "expected a mapping with targets and labels"),
        ("static_configs: [{targets: [{a: b}]}]", "expected a text, got a mapping"),
        ("static_configs: [{targets: [h:1], labels: {a-b: c}}]", '"a-b" is not a valid label name'),
        ("static_configs: [{targets: [h:1], labels: {__scrape_interval__: 1s}}]", "is not a valid label name here"),
        (
            "relabel_configs: [{action: keeep, target_label: a}]",
            "expected one of replace, keep, drop, keepequal, dropequal, hashmod,",
        ),
        ("relabel_configs: [keep]", "expected a mapping with source_labels, regex and action"),
        ("relabel_configs: [{regex: '(', action: drop}]", "'(' is no RE2 regular expression"),
        ("relabel_configs: [{source_label: [a], action: drop}]", "did you mean source_labels?"),
        ("metric_relabel_configs: [{source_labels: [[a]], action: drop}]", "expected a text, got a list"),
        ("kubernetes_sd_configs: [pod]", "expected a mapping with role"),
        ("kubernetes_sd_configs: [{}]", "role missing (one of: node, service, pod, endpointslice, ingress)"),
        ("kubernetes_sd_configs: [{role: pods}]", "expected one of node, service, pod, endpointslice, ingress, got"),
        ("kubernetes_sd_configs: [{role: endpoints}]", "write endpointslice"),
        ("kubernetes_sd_configs: [{role: pod, api_server: x}]", "api_server has no place here: the cluster and"),
        ("kubernetes_sd_configs: [{role: pod, attach_metadata: {namespace: true}}]", "namespace is not supported yet"),
        ("kubernetes_sd_configs: [{role: pod, selectors: [{role: node}]}]", "pod role supports only pod selectors"),
        (
            "kubernetes_sd_configs: [{role: pod, selectors: [{role: pod}, {role: pod}]}]",
            "duplicated selector role: pod",
        ),
        ("file_sd_configs: []", "file_sd_configs are not supported yet"),
        ("oauth2: {}", "oauth2 is not supported yet"),
        ("tls_config: {cert_file: x}", "cert_file is not supported yet"),
        ("basic_auth: {password: a, password_file: b}", "at most one of password and password_file"),
        ("authorization: {type: Basic}", 'use "basic_auth" instead'),
        ("fallback_scrape_protocol: PrometheusProto", "expected one of PrometheusText0.0.4, OpenMetricsText1.0.0"),
        ("job_name: b", "job_name is given twice"),
    ],
)
def test_refuses_with_a_sentence(line: str, expected: str) -> None:
    (mistake,) = mistakes_of(one_job(line))

    assert expected in mistake
    assert mistake.startswith("foretide.yaml:3:"), mistake


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scrape_configs: [{}]", "scrape_configs[0].job_name: job_name is empty"),
        ("- a", "expected a mapping with global and scrape_configs"),
        ("rule_files: [x]", "rule_files has no place"),
        ("scrape_configs: [", "foretide.yaml:1:"),
        ("a: b\n---\nc: d\n", "expected a single document"),
        ("scrape_configs: &a [{job_name: b, static_configs: *a}]", "aliases are not allowed"),
        ("global: {scrape_interval: 5s, scrape_timeout: 6s}", "global scrape timeout greater than scrape interval"),
        ("scrape_configs: \x00", "foretide.yaml: "),
    ],
)
def test_refuses_broken_documents(text: str, expected: str) -> None:
    assert expected in "\n".join(mistakes_of(text))


def test_a_node_of_a_larger_document_keeps_its_lines() -> None:
    whole = yaml.compose("port: 8080\nmetrics:\n  scrape_configs:\n  - job_name: a\n    nonsense: 1\n")
    section = whole.value[1][1]

    with pytest.raises(RuleDocumentError, match=r"foretide\.yaml:5:5: .*unknown key nonsense"):
        from_node(section, "foretide.yaml")


def test_secrets_are_not_printed() -> None:
    (job,) = parse_scrape_config(one_job("basic_auth: {username: u, password: hunter2}"), "f").jobs

    assert "hunter2" not in repr(job)
