"""The operator's files of prices, kept as they were read last and read again when they change.

A file that cannot be used leaves the previous prices as they were; of one that can be read in part, the rest counts.
Either way each fault is a line with file, row and column: in the status, at ``/api/v1/cost/prices``, once in the log.
"""

from __future__ import annotations

import glob
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from app.cost_bill_prices import BillPrices, bill_prices
from app.price_settings import PriceSettings
from cost.billing.machines import Machine, Mean
from cost.billing.model import Modelled
from cost.billing.read import read_bill
from cost.billing.tables import BillError
from cost.pricing import opencost_csv
from cost.pricing.billed import ByBill
from cost.pricing.opencost_csv import PriceFile
from domain.errors import ForetideError

log = logging.getLogger(__name__)

MOST_LINES: Final = 100
"""Lines that are kept of one source; how many there are is counted."""
_BILLS: Final = (".csv", ".gz", ".parquet", ".pq")
Signature = tuple[tuple[str, int, int], ...]
Wanted = tuple[str | None, bool, str]
"""Currency of the prices, None where nobody states one; whether commitments are stated apart; and the sheet, for
factors are of its prices."""
Modeller = Callable[[datetime, datetime], Sequence[Modelled]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """How one source of prices stands.

    Attributes:
        kind: ``opencost_csv`` or ``bills``.
        files: What was read, or would have been.
        read_at: When the prices that count were read; None where none ever were.
        failure: Why the files as they are now are not in use; empty: they are.
        told: What is good to know of what was read.
        lines: Faults, each with its place, the first ``MOST_LINES``.
        faults: How many there are.
    """

    kind: str
    files: tuple[str, ...] = ()
    read_at: datetime | None = None
    failure: str = ""
    told: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    faults: int = 0


@dataclass(slots=True)
class _Kept:
    state: SourceState
    signature: object = None


class PriceFiles:
    """Reads them; ``tick`` is a loop of its own, for a bill of a million rows takes a minute."""

    def __init__(self, settings: PriceSettings, *, wanted: Callable[[], Wanted], model: Modeller) -> None:
        """Nothing is read yet; ``model`` says what nodes cost without a bill."""
        self._settings, self._wanted, self._model = settings, wanted, model
        self._lock = threading.Lock()
        self._csv, self._bills = _Kept(SourceState(kind="opencost_csv")), _Kept(SourceState(kind="bills"))
        self._file: PriceFile | None = None
        self._prices = BillPrices()

    @property
    def opencost(self) -> PriceFile | None:
        """The operator's prices in OpenCost's form."""
        return self._file

    @property
    def prices(self) -> BillPrices:
        """What the bills say."""
        return self._prices

    def by_bill(self, currency: str) -> ByBill:
        """The same for prices of one currency; nothing of a bill in another."""
        return self._prices.by_bill if self._prices.currency == currency else ByBill()

    def means(self, currency: str) -> Mapping[Machine, Mean]:
        """What an hour of each machine cost by the bills, committed hours apart; nothing of another currency."""
        return self._prices.means if self._prices.currency == currency else {}

    def states(self) -> list[SourceState]:
        """One for each source that is asked for."""
        asked = (self._settings.opencost_csv is not None, self._csv), (bool(self._settings.bills), self._bills)
        return [kept.state for is_asked, kept in asked if is_asked]

    def tick(self, now: datetime) -> None:
        """Read what changed."""
        with self._lock:
            if self._settings.opencost_csv is not None:
                self._look_at_csv(self._settings.opencost_csv, now)
            if self._settings.bills:
                self._look_at_bills(now)

    def _look_at_csv(self, path: Path, now: datetime) -> None:
        signature = _signature([path])
        if signature == self._csv.signature:
            return
        self._csv.signature = signature
        try:
            with path.open(encoding="utf-8-sig", newline="") as lines:
                found = opencost_csv.read(lines, file=str(path))
        except (OSError, UnicodeDecodeError) as error:
            return self._failed(self._csv, (str(path),), f"{path}: {error}")
        lines_told = tuple(str(one) for one in found.mistakes)
        if not found.rows:
            why = lines_told[0] if lines_told else f"{path}: no row of a price"
            return self._failed(self._csv, (str(path),), why, lines_told)
        self._file = found
        self._read(self._csv, SourceState(
            kind="opencost_csv", files=(str(path),), read_at=now, told=(f"prices read: {len(found.rows)}",),
            lines=lines_told[:MOST_LINES], faults=len(lines_told),
        ))  # fmt: skip

    def _look_at_bills(self, now: datetime) -> None:
        paths = _bills(self._settings.bills)
        wanted = self._wanted()
        # Once a day again: by then more nodes of the bill's time may be known.
        signature = (_signature(paths), wanted, self._csv.signature, now.date())
        if signature == self._bills.signature:
            return
        self._bills.signature = signature
        files = tuple(str(path) for path in paths)
        if not paths:
            return self._failed(self._bills, self._settings.bills, f"no file at {', '.join(self._settings.bills)}")
        try:
            currency, stated, _ = wanted
            bill = read_bill(
                paths, currency=currency, account=self._settings.account, rates=self._settings.rates,
                leave_out_unreadable=True,
            )  # fmt: skip
            made = bill_prices(
                bill, self._model, now=now, provisional=self._settings.provisional, committed_apart=stated
            )  # fmt: skip
        except (BillError, OSError) as error:
            return self._failed(self._bills, files, str(error))
        except ForetideError:
            self._bills.signature = None  # nobody could say what nodes cost: asked again
            raise
        lines = tuple(str(one) for one in bill.notes.lines[:MOST_LINES])
        if made.why_not:
            return self._failed(self._bills, files, made.why_not, lines, sum(bill.notes.counts.values()))
        self._prices = made
        self._read(self._bills, SourceState(
            kind="bills", files=files, read_at=now, told=made.told, lines=lines,
            faults=sum(bill.notes.counts.values()),
        ))  # fmt: skip

    def _failed(
        self, kept: _Kept, files: Sequence[str], why: str, lines: Sequence[str] = (), faults: int | None = None
    ) -> None:
        """What was read before goes on to count."""
        count = len(lines) if faults is None else faults
        log.warning(
            "a file of prices cannot be used; the previous prices stay",
            extra={"source": kept.state.kind, "error": why, "faults": list(lines[:10])},
        )
        kept.state = replace(
            kept.state, files=tuple(files), failure=why, lines=tuple(lines[:MOST_LINES]), faults=count
        )  # fmt: skip

    def _read(self, kept: _Kept, state: SourceState) -> None:
        report = log.warning if state.lines else log.info
        report(
            "prices read",
            extra={"source": state.kind, "files": list(state.files), "told": list(state.told), "count": state.faults,
                   "faults": list(state.lines[:10])},
        )  # fmt: skip
        kept.state = state


def _bills(asked: Sequence[str]) -> list[Path]:
    """Files, the files of folders, and what globs find; each once, by name."""
    found: set[Path] = set()
    for one in asked:
        path = Path(one)
        if path.is_dir():
            found |= {file for file in path.iterdir() if file.suffix.lower() in _BILLS and file.is_file()}
        elif path.exists() or not glob.has_magic(one):
            found |= {path} if path.exists() else set()
        else:
            found |= {Path(file) for file in glob.glob(one, recursive=True) if Path(file).is_file()}
    return sorted(found)


def _signature(paths: Sequence[Path]) -> Signature:
    """Name, size and time of change; of a file that is not there only its name."""
    found = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError:
            found.append((str(path), -1, -1))
            continue
        found.append((str(path), stat.st_size, stat.st_mtime_ns))
    return tuple(found)
