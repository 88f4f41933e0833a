"""``POST /api/v1/webhooks/alertmanager``: 202 once the alerts are on the disk, errors as plain JSON.

Alertmanager tries again after a 5xx and gives up after a 4xx: what it may send again gets 503.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from collector.alerts_in.intake import AlertIntake, Taken
from collector.alerts_in.message import read
from domain.errors import IntakeError, OverloadedError, StoreError

log = logging.getLogger(__name__)

PATH: Final = "/api/v1/webhooks/alertmanager"
MAX_BODY_BYTES: Final = 16 * 2**20
"""Alertmanager sends a whole group at once unless ``max_alerts`` says otherwise: some 20,000 alerts."""
MAX_IN_FLIGHT_BYTES: Final = 4 * MAX_BODY_BYTES


class _TooLargeError(IntakeError):
    """A body beyond ``MAX_BODY_BYTES``."""


class Door:
    """Counts what is being read, so that many large bodies at once cannot fill the memory."""

    def __init__(self, intake: AlertIntake) -> None:
        """Hand on to ``intake``."""
        self._intake, self._in_flight = intake, 0

    async def post(self, request: Request) -> Response:
        """Take one delivery."""
        reserved = 0
        try:
            body = bytearray()
            async for chunk in request.stream():
                self._in_flight += len(chunk)
                reserved += len(chunk)
                self._refuse(reserved)
                body += chunk
            taken = await asyncio.to_thread(self._take, bytes(body))
            await asyncio.wrap_future(taken.done)
        except (IntakeError, OverloadedError, StoreError) as error:
            return _refusal(error)
        except ClientDisconnect:
            return Response(status_code=400)
        finally:
            self._in_flight -= reserved
        return JSONResponse({"firing": taken.new, "resolved": taken.ended, "known": taken.known}, status_code=202)

    def _refuse(self, size: int) -> None:
        if size > MAX_BODY_BYTES:
            raise _TooLargeError(f"the body is larger than {MAX_BODY_BYTES} bytes; set max_alerts of the receiver")
        if self._in_flight > MAX_IN_FLIGHT_BYTES:
            raise OverloadedError(f"{self._in_flight} bytes of alerts are being read; try again later")

    def _take(self, body: bytes) -> Taken:
        return self._intake.take(read(body))


def _refusal(error: Exception) -> Response:
    status = 413 if isinstance(error, _TooLargeError) else 400 if isinstance(error, IntakeError) else 503
    log.warning("alerts refused", extra={"status": status, "error": str(error)})
    headers = {"Retry-After": "2"} if status == 503 else {}
    return JSONResponse({"error": str(error)}, status_code=status, headers=headers)


def routes(intake: AlertIntake) -> list[Route]:
    """The route of the webhook."""
    return [Route(PATH, Door(intake).post, methods=["POST"], name="alertmanager_webhook")]
