"""A receiver's address is looked at before it is called, and the one that was looked at is called."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from alerts.delivery.addresses import checked
from alerts.delivery.errors import SendError
from alerts.delivery.http_post import HttpPost
from alerts.delivery.retry import LONGEST, SHORTEST, delay, retry_after
from alerts.delivery.secrets import value_of
from alerts.delivery.settings import DeliverySettings
from alerts.delivery.signing import key_of, signed
from rules.receiver import Secret
from tests.alerts.delivery.things import LOOPBACK, NOW, SECRET
from tests.fakes.clock import ManualClock
from tests.fakes.webhook_receiver import WebhookReceiver

PUBLIC = "93.184.216.34"


def at(*addresses: str, port: int = 443, allow: tuple[str, ...] = ()) -> str:
    return checked("hooks.test", port, ports=(80, 443), allow=allow, resolve=lambda host, port: addresses)


@pytest.mark.parametrize("address", [
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200",
    "0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.2.1", "168.63.129.16", "::1", "::", "fe80::1", "fe80::1%eth0",
    "fc00::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "2002:7f00:1::1", "2001:0:0:0:0:0:80ff:fffe", "no address",
])  # fmt: skip
def test_no_address_that_is_not_public_is_called(address: str) -> None:
    with pytest.raises(SendError):
        at(address)
    with pytest.raises(SendError):
        at(PUBLIC, address)  # one bad among good ones


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"])
def test_public_addresses_are_called(address: str) -> None:
    assert at(address) == address


@pytest.mark.parametrize("allow", ["10.0.0.0/8", "10.1.2.3", "hooks.test", "HOOKS.test.", "hooks.test:8443"])
def test_what_the_operator_allows_is_called_on_any_port(allow: str) -> None:
    assert at("10.1.2.3", port=8443, allow=(allow,)) == "10.1.2.3"


def test_other_ports_need_a_word_of_the_operator() -> None:
    with pytest.raises(SendError, match="port 8443 of hooks.test is not allowed"):
        at(PUBLIC, port=8443)


def test_a_name_is_resolved_once_and_keeps_its_host_header(hook: WebhookReceiver) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    post = HttpPost(allow=LOOPBACK, clock=ManualClock(NOW), resolve=resolve)
    url = hook.url.replace("127.0.0.1", "hooks.test")
    post.send(url, body=b"{}", headers={})

    assert asked == ["hooks.test"]
    assert hook.got[0].headers["Host"] == url.removeprefix("http://").removesuffix("/hook")


def test_no_proxy_of_the_environment_is_used(hook: WebhookReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    HttpPost(allow=LOOPBACK, clock=ManualClock(NOW)).send(hook.url, body=b"{}", headers={})

    assert len(hook.got) == 1


@pytest.mark.parametrize("url", ["ftp://x/", "http://u:p@x/", "//x/", "http:///x", "http://x:99999/", "http://[::1"])
def test_what_is_no_plain_url_is_not_called(url: str) -> None:
    with pytest.raises(SendError):
        HttpPost(allow=(), clock=ManualClock(NOW)).send(url, body=b"", headers={})


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of Standard Webhooks' own libraries, for which svix publishes the result."""
    body = b'{"test": 2432232314}'
    at = NOW.fromtimestamp(1614265330, tz=NOW.tzinfo)
    made = signed(body, id_="msg_p5jXN8AQM9LWM0D4loKWxJek", at=at, secrets=[SECRET])

    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_exchanged_both_sign() -> None:
    other = "whsec_" + "A" * 32
    both = signed(b"{}", id_="1", at=NOW, secrets=[SECRET, other])["webhook-signature"].split(" ")

    assert both == [signed(b"{}", id_="1", at=NOW, secrets=[one])["webhook-signature"] for one in (SECRET, other)]


@pytest.mark.parametrize("secret", ["", "whsec_!!", "whsec_c2hvcnQ=", SECRET.removeprefix("whsec_")])
def test_a_bad_secret_is_refused_and_not_told(secret: str) -> None:
    with pytest.raises(SendError) as told:
        key_of(secret)

    assert not secret or secret not in str(told.value)


def test_a_secret_file_is_read_from_its_folder_only(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "good").write_text("value\n")
    (tmp_path / "other").write_text("stolen")
    (folder / "link").symlink_to(tmp_path / "other")
    settings = DeliverySettings(secrets_dir=folder)

    assert value_of(Secret(file="good"), settings) == "value"
    for name in ("link", "gone"):
        with pytest.raises(SendError, match=name):
            value_of(Secret(file=name), settings)


def test_the_delay_grows_from_five_seconds_to_fifteen_minutes() -> None:
    def after(failing_for: timedelta) -> timedelta:
        return delay(failing_for=failing_for, attempt=1, id_="x")

    assert after(timedelta()) == SHORTEST
    assert timedelta(minutes=4) <= after(timedelta(hours=1)) <= timedelta(minutes=5)
    assert 0.8 * LONGEST <= after(timedelta(hours=12)) <= LONGEST


@pytest.mark.parametrize("value", ["", None, "soon", "-1", "1.5", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_after_that_says_nothing_is_none(value: str | None) -> None:
    assert retry_after(value, NOW) is None
