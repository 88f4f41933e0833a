"""Fetches one metrics page over HTTP, or says in Prometheus' words why not."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from dataclasses import dataclass
from typing import Final

import aiohttp

from collector.exposition_line import Format
from collector.targets import ScrapeJob, Target
from domain.errors import IntakeError

ACCEPT: Final = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
_IDLE_SECONDS: Final = 300.0
"""How long a connection is kept between scrapes: longer than usual intervals, as in Prometheus."""


@dataclass(frozen=True, slots=True)
class Body:
    """A page as it came, decompressed."""

    content: bytes
    format: Format


def new_session() -> aiohttp.ClientSession:
    """One session for all targets: connections are kept, cookies and proxies of the environment are not used."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        trust_env=False,
    )


async def fetch(session: aiohttp.ClientSession, target: Target, tls: ssl.SSLContext | bool) -> Body:
    """Get the page of a target.

    Raises:
        IntakeError: Not reachable, too slow, another status than 200, too large, or in a format that we do not know.
    """
    job = target.job
    try:
        async with asyncio.timeout(job.scrape_timeout.total_seconds()):
            return await _get(session, target, tls)
    except TimeoutError as error:
        raise IntakeError(f'Get "{target.url}": context deadline exceeded') from error
    except aiohttp.ClientError as error:
        raise IntakeError(f'Get "{target.url}": {_reason(error)}') from error
    except (OSError, ValueError) as error:  # a password file that is not there, a name that IDNA refuses
        raise IntakeError(f'Get "{target.url}": {error}') from error


async def _get(session: aiohttp.ClientSession, target: Target, tls: ssl.SSLContext | bool) -> Body:
    job = target.job
    request = session.get(target.url, headers=_headers(job), allow_redirects=job.follow_redirects, ssl=tls)
    async with request as response:
        if response.status != 200:
            status = f"{response.status} {response.reason or ''}".strip()
            raise IntakeError(f"server returned HTTP status {status}")
        page_format = _format_of(response.headers.get("Content-Type", ""), job)
        return Body(await _read(response, job.limits.body_size_bytes), page_format)


def _headers(job: ScrapeJob) -> dict[str, str]:
    headers = {
        "Accept": ACCEPT,
        "Accept-Encoding": "gzip" if job.enable_compression else "identity",
        "User-Agent": "Foretide",
        "X-Prometheus-Scrape-Timeout-Seconds": f"{job.scrape_timeout.total_seconds():g}",
    }
    if job.authorization:
        headers["Authorization"] = job.authorization.header()
    return headers


async def _read(response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
    """The whole body; the limit holds after decompression, so that a small zip cannot fill the memory."""
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if limit_bytes and size > limit_bytes:
            raise IntakeError(f"body size limit exceeded (limit: {limit_bytes} bytes)")
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _format_of(content_type: str, job: ScrapeJob) -> Format:
    """Prometheus 3: an unknown or missing Content-Type is refused unless the job names a fallback."""
    media_type = content_type.partition(";")[0].strip().lower()
    for known in Format:
        if media_type == known.value:
            return known
    if job.fallback_format:
        return job.fallback_format
    if not media_type:
        raise IntakeError(
            "non-compliant scrape target sending blank Content-Type and no fallback_scrape_protocol "
            "specified for target"
        )
    raise IntakeError(
        f'received unsupported Content-Type "{content_type}" and no fallback_scrape_protocol specified for target'
    )


def _reason(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {error.host}: no such host"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"tls: failed to verify certificate: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return f"tls: {error.os_error}"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        if number == errno.ECONNREFUSED:
            return f"dial tcp {error.host}:{error.port}: connect: connection refused"
        words = os.strerror(number).lower() if number else str(error.os_error)
        return f"dial tcp {error.host}:{error.port}: {words}"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    if isinstance(error, aiohttp.TooManyRedirects):
        return f"stopped after {len(error.history)} redirects"
    what = " ".join(str(error).split())
    return f"unexpected EOF ({what})" if isinstance(error, aiohttp.ClientPayloadError) else what
