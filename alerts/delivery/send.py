"""A notification goes to its receiver in the receiver's form."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from alerts.delivery.errors import RefusedError, SendError
from alerts.delivery.formats import alertmanager, cloudevents, generic, mail, pagerduty, slack
from alerts.delivery.formats.message import Told, encoded
from alerts.delivery.http_post import HttpPost
from alerts.delivery.secrets import value_of
from alerts.delivery.settings import DeliverySettings
from alerts.delivery.signing import signed
from alerts.delivery.smtp import Smtp
from alerts.notification import Notification
from rules.receiver import Email, PagerDuty, Receiver, Secret, Slack, Webhook

_JSON: Final = "application/json"
_FORMATS: Final = {"generic": generic.body, "alertmanager": alertmanager.body, "cloudevents": cloudevents.body}


class Sender:
    """Sends; thread-safe."""

    def __init__(self, settings: DeliverySettings, *, post: HttpPost, smtp: Smtp) -> None:
        """Over these ways."""
        self._settings, self._post, self._smtp = settings, post, smtp

    def send(self, notification: Notification, receiver: Receiver, now: datetime) -> None:
        """Once; ``SendError`` where it did not arrive."""
        if not receiver.spec.send_resolved:
            notification = replace(notification, alerts=notification.firing)
        told = Told(notification=notification, external_url=self._settings.external_url)
        way = receiver.spec.way
        try:
            self._over(way, told, now)
        except SendError:
            raise
        except (ValueError, UnicodeError) as error:
            raise RefusedError(f"the message cannot be written ({type(error).__name__})") from error

    def problem(self, receiver: Receiver) -> str:
        """Why it cannot be told now, as far as can be seen without calling it; empty where nothing is seen."""
        way = receiver.spec.way
        try:
            if isinstance(way, Email):
                self._smtp.check(way.host, way.port)
                if way.password is not None:
                    self._secret(way.password)
            else:
                self._post.check(self._url(way))
                for secret in _secrets(way):
                    self._secret(secret)
        except SendError as error:
            return str(error)
        return ""

    def _over(self, way: Webhook | Slack | PagerDuty | Email, told: Told, now: datetime) -> None:
        if isinstance(way, Email):
            written = mail.message(told, sender=way.from_, to=way.to)
            self._smtp.send(written, way, password=None if way.password is None else self._secret(way.password))
        elif isinstance(way, Slack):
            self._json(self._url(way), slack.body(told))
        elif isinstance(way, PagerDuty):
            key = self._secret(way.routing_key)
            self._json(self._url(way), pagerduty.body(told, routing_key=key, severity=way.severity))
        else:
            self._webhook(way, told, now)

    def _webhook(self, way: Webhook, told: Told, now: datetime) -> None:
        body = encoded(_FORMATS[way.format](told))
        secrets = [self._secret(one) for one in way.secrets]
        kind = cloudevents.CONTENT_TYPE if way.format == "cloudevents" else _JSON
        headers = {"Content-Type": kind, **signed(body, id_=told.id, at=now, secrets=secrets)}
        self._post.send(self._url(way), body=body, headers=headers)

    def _json(self, url: str, body: dict[str, Any]) -> None:
        self._post.send(url, body=encoded(body), headers={"Content-Type": _JSON})

    def _url(self, way: Webhook | Slack | PagerDuty) -> str:
        if isinstance(way, Slack):
            return self._secret(way.url)
        if isinstance(way, PagerDuty) or way.url is not None:
            return str(way.url)
        return self._secret(Secret(env=way.url_env, file=way.url_file))

    def _secret(self, secret: Secret) -> str:
        return value_of(secret, self._settings)


def _secrets(way: Webhook | Slack | PagerDuty) -> tuple[Secret, ...]:
    if isinstance(way, PagerDuty):
        return (way.routing_key,)
    return way.secrets if isinstance(way, Webhook) else ()
