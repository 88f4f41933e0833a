"""The sources of foretide.yaml as the client wants them: secrets found, files made absolute, contradictions refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from app.config_file import AlertmanagerSection, ConfigFile, SigV4Section, Source
from domain.errors import SettingsError
from store.prometheus import Auth, BasicAuth, BearerAuth, OAuth2, Secret, SigV4, SourceConfig, Tls

LOCAL = "local"
"""The embedded store's name as a source."""
PROMETHEUS = "prometheus"
"""The kind of source that answers PromQL."""


def read_sources(file: ConfigFile, *, folder: Path, environment: Mapping[str, str]) -> tuple[SourceConfig, ...]:
    """Every source, checked; files are relative to ``folder``.

    Raises:
        SettingsError: One sentence for each thing that is wrong.
    """
    mistakes = [*_names(file)]
    found = []
    for at, source in enumerate(file.sources):
        reader = _Reader(f"sources[{at}]", folder, environment)
        found.append(reader.config(source))
        mistakes += reader.mistakes
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return tuple(found)


def read_alertmanagers(file: ConfigFile, *, folder: Path, environment: Mapping[str, str]) -> tuple[SourceConfig, ...]:
    """Every Alertmanager, checked as the sources are.

    Raises:
        SettingsError: One sentence for each thing that is wrong.
    """
    mistakes: list[str] = []
    found: list[SourceConfig] = []
    for at, given in enumerate(file.alertmanagers):
        reader = _Reader(f"alertmanagers[{at}]", folder, environment)
        found.append(reader.config(Source(name=f"alertmanager-{at + 1}", **{
            name: getattr(given, name) for name in AlertmanagerSection.model_fields
        })))  # fmt: skip
        mistakes += reader.mistakes
    urls = [one.url.rstrip("/") for one in found]
    mistakes += [f"alertmanagers: {url} is given twice" for url in sorted({one for one in urls if urls.count(one) > 1})]
    if mistakes:
        raise SettingsError("\n".join(mistakes))
    return tuple(found)


def _names(file: ConfigFile) -> list[str]:
    names = [source.name for source in file.sources]
    mistakes = [f"sources: the name {name} is given twice" for name in sorted({n for n in names if names.count(n) > 1})]
    if LOCAL in names:
        mistakes.append("sources: local is the embedded store; give the source another name")
    queried = [source.name for source in file.sources if source.kind == PROMETHEUS]
    if file.default_source not in (LOCAL, *queried):
        known = ", ".join((LOCAL, *queried))
        mistakes.append(f"default_source is {file.default_source!r}; expected one of {known}")
    if file.cluster == "local" and file.default_source != LOCAL:
        mistakes.append("default_source: with cluster local the processes are measured here; leave it out")
    return mistakes


class _Reader:
    """Reads one source and notes what is wrong with it."""

    def __init__(self, place: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._place, self._folder, self._environment = place, folder, environment
        self.mistakes: list[str] = []

    def config(self, source: Source) -> SourceConfig:
        """As the client wants it."""
        for field, url in (("url", source.url), ("remote_write_url", source.remote_write_url)):
            if url is not None:
                self._check_url(field, url)
        if source.oauth2 is not None:
            self._check_url("oauth2.token_url", source.oauth2.token_url)
        self._check_kind(source)
        default = SourceConfig(name=source.name, url=source.url)
        timeout = default.timeout if source.timeout is None else source.timeout
        if timeout > timedelta(seconds=60):
            self._wrong("timeout", "must be at most 1m: the rules wait for it")
        return SourceConfig(
            name=source.name,
            url=source.url,
            auth=self._auth(source),
            tls=self._tls(source),
            tenant=source.tenant,
            headers=tuple(source.headers.items()),
            step=default.step if source.step is None else source.step,
            timeout=timeout,
            max_concurrent=source.max_concurrent,
            max_queries_per_second=float(source.max_queries_per_second),
            backfill_queries_per_second=float(source.backfill_queries_per_second),
            remote_write_url=source.remote_write_url,
            kind=source.kind,
            services=source.services,
        )

    def _check_kind(self, source: Source) -> None:
        """What only the other kind of source has."""
        if source.kind != PROMETHEUS and source.remote_write_url is not None:
            self._wrong("remote_write_url", f"kind {source.kind} takes no forecasts; leave it out")
        if source.kind == PROMETHEUS and source.services:
            self._wrong("services", "goes with kind jaeger or tempo")

    def _auth(self, source: Source) -> Auth | None:
        ways = ("basic_auth", "authorization", "oauth2", "sigv4")
        given = [name for name in ways if getattr(source, name) is not None]
        if len(given) > 1:
            self._wrong(given[1], f"stands beside {given[0]}; a source has at most one of {', '.join(ways)}")
        if source.basic_auth is not None:
            basic = source.basic_auth
            password = self._secret("basic_auth.password", basic.password_file, basic.password_env)
            return BasicAuth(username=basic.username, password=password)
        if source.authorization is not None:
            bearer = source.authorization
            token = self._secret("authorization.credentials", bearer.credentials_file, bearer.credentials_env)
            return BearerAuth(token=token, scheme=bearer.type)
        if source.oauth2 is not None:
            oauth2 = source.oauth2
            return OAuth2(
                client_id=oauth2.client_id,
                client_secret=self._secret("oauth2.client_secret", oauth2.client_secret_file, oauth2.client_secret_env),
                token_url=oauth2.token_url,
                scopes=oauth2.scopes,
                endpoint_params=tuple(oauth2.endpoint_params.items()),
            )
        return None if source.sigv4 is None else self._sigv4(source.sigv4)

    def _sigv4(self, section: SigV4Section) -> SigV4:
        token = self._environment.get(section.session_token_env)
        return SigV4(
            region=section.region,
            access_key=self._secret("sigv4.access_key", None, section.access_key_env),
            secret_key=self._secret("sigv4.secret_key", None, section.secret_key_env),
            session_token=Secret(text=token) if token else None,
            service=section.service,
        )

    def _tls(self, source: Source) -> Tls:
        section = source.tls_config
        if section.key_file is not None and section.cert_file is None:
            self._wrong("tls_config.key_file", "goes with cert_file")
        return Tls(
            ca_file=self._file(section.ca_file),
            cert_file=self._file(section.cert_file),
            key_file=self._file(section.key_file),
            insecure_skip_verify=section.insecure_skip_verify,
        )

    def _secret(self, field: str, file: str | None, variable: str | None) -> Secret:
        if (file is None) == (variable is None):
            self._wrong(field, f"give one of {field.rpartition('.')[2]}_file and {field.rpartition('.')[2]}_env")
            return Secret()
        if variable is None:
            path = self._file(file)
            if path is not None and not path.is_file():
                self._wrong(field, f"{path}: no such file")
            return Secret(file=path)
        text = self._environment.get(variable, "")
        if not text:
            self._wrong(field, f"the environment has no {variable}")
        return Secret(text=text)

    def _file(self, written: str | None) -> Path | None:
        return None if written is None else self._folder / written

    def _check_url(self, field: str, url: str) -> None:
        try:
            parts = urlsplit(url)
            known = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            known = False
        if not known:
            self._wrong(field, "expected a URL such as https://prometheus.example:9090")
        elif parts.username or parts.password:
            self._wrong(field, "holds a user or password; give basic_auth instead")
        elif parts.query or parts.fragment:
            self._wrong(field, "may not hold a query; give headers or tenant instead")

    def _wrong(self, field: str, message: str) -> None:
        self.mistakes.append(f"{self._place}.{field}: {message}")
