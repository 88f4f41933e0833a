"""Sources in foretide.yaml: read, refused, and kept secret."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from app.settings import Settings, read_settings
from domain.errors import SettingsError
from store.prometheus import BasicAuth, BearerAuth, OAuth2, SigV4

SECRET = "hunter2hunter2"


def read(folder: Path, text: str, **environment: str) -> Settings:
    (folder / "secret").write_text(SECRET)
    (folder / "foretide.yaml").write_text(text)
    return read_settings(config=None, environment=environment, working_dir=folder)


def refusal(folder: Path, text: str, **environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read(folder, text, **environment)
    return str(caught.value)


def test_without_sources_everything_is_asked_here(tmp_path: Path) -> None:
    settings = read(tmp_path, "port: 0\n")
    assert (settings.sources, settings.default_source) == ((), "local")


def test_a_source_in_full(tmp_path: Path) -> None:
    text = """
default_source: mimir
sources:
- name: mimir
  url: https://mimir.example/prometheus
  basic_auth: {username: me, password_file: secret}
  tls_config: {ca_file: ca.pem, cert_file: me.pem, key_file: me.key}
  tenant: team-a
  headers: {X-Dedup: "true"}
  step: 30s
  timeout: 5s
  max_concurrent: 2
  max_queries_per_second: 10
  backfill_queries_per_second: 3
  remote_write_url: https://mimir.example/api/v1/push
"""
    (source,) = read(tmp_path, text).sources
    assert isinstance(source.auth, BasicAuth)
    assert source.auth.password.read() == SECRET
    assert source.tls.cert_file == tmp_path / "me.pem"
    assert (source.tenant, source.headers) == ("team-a", (("X-Dedup", "true"),))
    assert (source.step, source.timeout) == (timedelta(seconds=30), timedelta(seconds=5))
    assert (source.max_concurrent, source.max_queries_per_second, source.backfill_queries_per_second) == (2, 10.0, 3.0)


def test_every_way_to_prove_who_we_are(tmp_path: Path) -> None:
    text = """
sources:
- {name: grafana, url: "https://g/p", authorization: {credentials_env: GRAFANA_TOKEN}}
- name: keycloak
  url: https://k/p
  oauth2: {client_id: me, client_secret_file: secret, token_url: "https://k/token", scopes: [read],
    endpoint_params: {audience: prom}}
- {name: amp, url: "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1", sigv4: {region: eu-west-1}}
"""
    environment = {"GRAFANA_TOKEN": SECRET, "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": SECRET}
    settings = read(tmp_path, text, **environment)
    bearer, oauth2, amp = (source.auth for source in settings.sources)
    assert isinstance(bearer, BearerAuth)
    assert bearer.token.read() == SECRET
    assert isinstance(oauth2, OAuth2)
    assert oauth2.endpoint_params == (("audience", "prom"),)
    assert isinstance(amp, SigV4)
    assert amp.session_token is None
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{name: a, url: prometheus}", "sources[0].url: expected a URL such as"),
        ("{name: a, url: 'ftp://x'}", "sources[0].url: expected a URL such as"),
        ("{name: a, url: 'http://me:pw@x'}", "holds a user or password; give basic_auth instead"),
        ("{name: a, url: 'http://x?y=z'}", "may not hold a query"),
        ("{name: local, url: 'http://x'}", "local is the embedded store"),
        ("{name: a, url: 'http://x', basic_auth: {username: me}}", "give one of password_file and password_env"),
        ("{name: a, url: 'http://x', authorization: {credentials_env: NOPE}}", "the environment has no NOPE"),
        ("{name: a, url: 'http://x', authorization: {credentials_file: none}}", "none: no such file"),
        ("{name: a, url: 'http://x', authorization: {credentials_file: secret}, sigv4: {region: x}}",
         "sigv4: stands beside authorization"),
        ("{name: a, url: 'http://x', timeout: 2m}", "timeout: must be at most 1m"),
        ("{name: a, url: 'http://x', tls_config: {key_file: secret}}", "key_file: goes with cert_file"),
        ("{name: a, url: 'http://x', basic_auth: {username: me, password: hunter2}}", "password"),
        ("{name: a, url: 'http://x', pasword: 1}", "unknown field"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(tmp_path: Path, source: str, said: str) -> None:
    message = refusal(tmp_path, f"sources:\n- {source}\n")
    assert said in message
    assert "hunter2" not in message


def test_names_are_unique_and_known(tmp_path: Path) -> None:
    one = "- {name: a, url: 'http://x'}\n"
    assert "the name a is given twice" in refusal(tmp_path, f"sources:\n{one}{one}")
    assert "default_source is 'b'; expected one of local, a" in refusal(tmp_path, f"default_source: b\nsources:\n{one}")
    assert "leave it out" in refusal(tmp_path, f"cluster: local\ndefault_source: a\nsources:\n{one}")
