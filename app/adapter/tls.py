"""TLS of the adapter: its own certificate, and whose client certificates count; both renewed without a restart."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from typing import Any

from domain.errors import SettingsError


class Trusting(ssl.SSLContext):
    """A context that knows by which authority (PEM) it verifies clients.

    A client may come without a certificate, with a token instead; one that comes with another authority's is refused.
    """

    authority: str

    @classmethod
    def made(cls, certificate: Path, key: Path, authority: str) -> Trusting:
        """Raises ``OSError`` or ``ssl.SSLError`` where they cannot be used."""
        context = cls(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(cadata=authority)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.authority = authority
        return context


class Renewed(ssl.SSLContext):
    """What the server is given: each new connection is wrapped by the newest context.

    asyncio asks a context for nothing but ``wrap_bio``. Adding to one context would never take an authority away.
    """

    current: Trusting
    _files: tuple[Path, Path]
    _seen: tuple[int, ...] = ()

    @classmethod
    def of(cls, certificate: Path, key: Path, authority: str) -> Renewed:
        """Raises ``SettingsError`` where they cannot be used."""
        made = cls(ssl.PROTOCOL_TLS_SERVER)
        made._files = (certificate, key)
        made._seen = made._versions()
        try:
            made.current = Trusting.made(certificate, key, authority)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"certificate {certificate} with key {key} cannot be used: {error}") from error
        return made

    def renew(self, authority: str) -> bool:
        """Whether there was something new; a pair of which only one half is new is taken at the next call.

        Raises:
            OSError: The new files cannot be used; the old ones go on. ``ssl.SSLError`` is one of these.
        """
        versions = self._versions()
        if versions in (self._seen, ()) and authority == self.current.authority:
            return False
        self.current = Trusting.made(*self._files, authority)
        self._seen = versions
        return True

    def wrap_bio(self, *given: Any, **named: Any) -> ssl.SSLObject:
        """By the newest context."""
        return self.current.wrap_bio(*given, **named)

    def _versions(self) -> tuple[int, ...]:
        with contextlib.suppress(OSError):
            return tuple(file.stat().st_mtime_ns for file in self._files)
        return ()
