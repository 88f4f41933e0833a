"""One mail to the address that was checked."""

from __future__ import annotations

import smtplib
import socket
import ssl
from collections.abc import Sequence
from datetime import timedelta
from email.message import EmailMessage
from typing import Final

from alerts.delivery import addresses
from alerts.delivery.addresses import Resolve
from alerts.delivery.errors import RefusedError, SendError
from alerts.delivery.http_post import TIMEOUT
from rules.receiver import Email

_PORTS: Final = (25, 465, 587)
_TLS_AT_ONCE: Final = 465


class Smtp:
    """Sends; thread-safe."""

    def __init__(
        self, *, allow: Sequence[str], timeout: timedelta = TIMEOUT, resolve: Resolve = addresses.resolve
    ) -> None:
        """Take the networks and hosts that are allowed beside public ones."""
        self._allow, self._timeout, self._resolve = tuple(allow), timeout.total_seconds(), resolve

    def check(self, host: str, port: int) -> str:
        """The address of the server; ``SendError`` where it may not be called."""
        return addresses.checked(host, port, ports=_PORTS, allow=self._allow, resolve=self._resolve)

    def send(self, mail: EmailMessage, to: Email, *, password: str | None) -> None:
        """Hand it to the server.

        Raises:
            RefusedError: The server said no for good (5xx).
            SendError: Anything else.
        """
        try:
            with _Pinned(to.host, to.port, address=self.check(to.host, to.port), timeout=self._timeout) as server:
                if to.starttls and to.port != _TLS_AT_ONCE:
                    server.starttls(context=ssl.create_default_context())
                if to.username is not None and password is not None:
                    server.login(to.username, password)
                server.send_message(mail, from_addr=to.from_, to_addrs=list(to.to))
        except smtplib.SMTPRecipientsRefused as error:
            codes = [code for code, _ in error.recipients.values()]
            kind = RefusedError if codes and min(codes) >= 500 else SendError
            raise kind(f"{to.host} refuses the addresses ({', '.join(map(str, codes))})") from error
        except smtplib.SMTPAuthenticationError as error:
            raise SendError(f"{to.host} does not accept the password ({error.smtp_code})") from error
        except smtplib.SMTPResponseException as error:
            kind = RefusedError if error.smtp_code >= 500 else SendError
            raise kind(f"{to.host} answered {error.smtp_code}") from error
        except (OSError, smtplib.SMTPException) as error:
            raise SendError(f"{to.host} cannot be reached: {type(error).__name__}") from error


class _Pinned(smtplib.SMTP):
    """Connects to ``address``; the name is that of the certificate."""

    def __init__(self, host: str, port: int, *, address: str, timeout: float) -> None:
        self._address = address
        super().__init__(host, port, timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        plain = socket.create_connection((self._address, port), timeout)
        if port != _TLS_AT_ONCE:
            return plain
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
