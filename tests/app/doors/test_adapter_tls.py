"""Whose client certificate counts is whose authority counts now: also on connections that were let in before."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from app.adapter.front_proxy import FrontProxy
from app.adapter.metrics_api import MetricsApi
from app.adapter.review import Reviews
from app.adapter.server import Adapter
from app.adapter.tls import Renewed
from app.forecast_doors.feed import Feed
from domain.errors import KubeError, SettingsError
from tests.fakes.clock import ManualClock
from tests.store.prometheus.certificates import Paths, make

AS_ADMIN = {"X-Remote-User": "root", "X-Remote-Group": "system:masters"}


class ConfigMap:
    """What extension-apiserver-authentication says; nobody answers any other question of the adapter."""

    def __init__(self, paths: Paths) -> None:
        self.paths = paths

    def read(self) -> FrontProxy:
        return FrontProxy(
            ca=self.paths.ca.read_text(), allowed_names=frozenset(["client"]), user_headers=("X-Remote-User",),
            group_headers=("X-Remote-Group",), uid_headers=(), extra_prefixes=(),
        )  # fmt: skip


def nobody(*_: object) -> bytes:
    raise KubeError("no answer", status=0, reason="Timeout")


@pytest.fixture
def authorities(tmp_path: Path) -> tuple[Paths, Paths]:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    return make(tmp_path / "old"), make(tmp_path / "new")


@contextmanager
def serving(adapter: Adapter, tls: Renewed) -> Iterator[str]:
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(adapter.application())

    async def start() -> str:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        return f"https://127.0.0.1:{runner.addresses[0][1]}"

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def client(server: Paths, shown: Paths) -> httpx.Client:
    context = ssl.create_default_context(cafile=server.ca)
    context.load_cert_chain(shown.client, shown.client_key)
    return httpx.Client(verify=context, headers=AS_ADMIN, trust_env=False)


def test_a_new_authority_ends_the_trust_in_the_old_one(authorities: tuple[Paths, Paths]) -> None:
    old, new = authorities
    config_map, clock = ConfigMap(old), ManualClock()
    tls = Renewed.of(old.server, old.server_key, old.ca.read_text())
    feed = Feed(nobody, clock=clock)
    adapter = Adapter(
        front_proxy=config_map.read, trusted=config_map.read(), tls=tls, reviews=Reviews(nobody, clock=clock),
        feed=feed, api=MetricsApi(feed, clock.now),
    )  # fmt: skip
    with serving(adapter, tls) as url, client(old, old) as before, client(old, new) as after:
        assert before.get(f"{url}/apis").status_code == 200
        with pytest.raises(httpx.TransportError):
            after.get(f"{url}/apis")

        config_map.paths = new
        adapter.look()
        told = before.get(f"{url}/apis")
        assert (told.status_code, told.headers["Connection"]) == (401, "close")
        with pytest.raises(httpx.TransportError):
            before.get(f"{url}/apis")
        assert after.get(f"{url}/apis").status_code == 200


def test_a_certificate_is_taken_when_both_halves_are_there(authorities: tuple[Paths, Paths]) -> None:
    old, new = authorities
    ca = old.ca.read_text()
    tls = Renewed.of(old.server, old.server_key, ca)
    first = tls.current
    assert not tls.renew(ca)
    old.server.write_bytes(new.server.read_bytes())
    with pytest.raises(OSError, match="KEY_VALUES_MISMATCH"):
        tls.renew(ca)
    assert tls.current is first
    old.server_key.write_bytes(new.server_key.read_bytes())
    assert tls.renew(ca)
    assert tls.current is not first
    old.server.write_text("nothing")
    with pytest.raises(SettingsError, match="cannot be used"):
        Renewed.of(old.server, old.server_key, ca)
