"""``foretide backtest RULE``: from a file, or by a running Foretide; as a table, as JSON, or as a page."""

from __future__ import annotations

import forecaster.one_thread  # noqa: F401  # isort: skip  # before numpy

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TextIO
from urllib.parse import urlencode

import numpy as np

from app.backtesting import page, recorded, tables
from app.backtesting.assume import Options
from app.backtesting.present import present_of
from app.backtesting.recorded import TICK_SECONDS
from app.backtesting.report import Report, from_json, to_json
from app.backtesting.study import Case, study
from app.check import check_query
from app.server_client import Server, ServerError
from controller.simulate.nodes import Pools
from domain.errors import ForetideError, RuleDocumentError
from domain.units import parse_duration, parse_quantity
from rules import RuleSet, load_paths
from rules.render import render, source_texts
from rules.schema import ScalingRule

OUTPUTS: Final = ("table", "json", "html")
OK, SAYS_NO, USAGE, UNREACHABLE, UNKNOWN = 0, 1, 2, 4, 5


class UsageError(ForetideError):
    """An option that cannot be meant."""


class UnknownRuleError(ForetideError):
    """There is no such rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options of the command, as they were written."""

    rule: str
    rules: tuple[Path, ...] = ()
    data: Path | None = None
    since: str | None = None
    until: str | None = None
    server: str = ""
    token_file: Path | None = None
    present: Path | None = None
    sweep: bool = False
    capacity: float | None = None
    startup: str | None = None
    delay: str | None = None
    slo: str | None = None
    requests: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    usage: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    violated_minute: float | None = None
    incident: str | None = None
    keep: Path | None = None
    output: str = "table"


def run(asked: Asked, out: TextIO) -> int:
    """The whole command; the exit code."""
    try:
        if asked.output not in OUTPUTS:
            raise UsageError(f"-o {asked.output}: expected one of {', '.join(OUTPUTS)}")
        if asked.incident is not None:
            return _incident(asked, out)
        report = _offline(asked) if asked.data is not None else _by_server(asked)
    except RuleDocumentError as error:
        print(render(error.mistakes, source_texts(error.mistakes)), file=sys.stderr)
        return USAGE
    except UnknownRuleError as error:
        print(f"foretide: {error}", file=sys.stderr)
        return UNKNOWN
    except ServerError as error:
        print(f"foretide: {error}", file=sys.stderr)
        return UNKNOWN if error.unknown else UNREACHABLE
    except ForetideError as error:
        print("\n".join(f"foretide: {line}" for line in str(error).splitlines()), file=sys.stderr)
        return USAGE
    write(report, asked.output, out)
    return OK if report.word.allows else SAYS_NO


def write(report: Report, output: str, out: TextIO) -> None:
    """The report in the form that was asked for."""
    if output == "html":
        out.write(page.html(report))
    elif output == "json":
        json.dump(to_json(report), out, indent=2, ensure_ascii=False)
        out.write("\n")
    else:
        tables.write(report, out)


def _offline(asked: Asked) -> Report:
    """From rule files and a recorded file."""
    if asked.data is None:
        raise UsageError("backtest needs --rules and --data")
    options = options_of(asked)
    running = load_paths(asked.rules, check_query=check_query)
    rule = _rule_of(running, asked.rule)
    found = recorded.read(asked.data)
    end = datetime.fromtimestamp(found.start.timestamp() + found.ticks * TICK_SECONDS, tz=UTC)
    found = found.between(*_interval(asked, end=end))
    present, name = (None, "") if asked.present is None else present_of(asked.present, rule)
    case = Case(
        rule=rule, recorded=found, options=options, present=present, present_name=name, price=running.price_sheet,
        sweep=asked.sweep, slo=running.slo(rule.guarding_slo or ""),
        seasons={one.key: one.spec.season for one in running.forecasts},
    )  # fmt: skip
    return study(case, _shown)


def _incident(asked: Asked, out: TextIO) -> int:
    """An interval of a server's ledger, decided again; as a test, too, where it shall be kept."""
    if asked.data is not None:
        raise UsageError("--incident asks a server's ledger; leave --rules and --data out")
    if asked.output not in ("table", "json"):
        raise UsageError(f"-o {asked.output}: --incident writes a table or json")
    first, dots, last = (asked.incident or "").partition("..")
    if not dots:
        raise UsageError(f"--incident {asked.incident}: expected FROM..TO, two times or durations back from now")
    now = datetime.now(tz=UTC)
    query = {"from": instant("--incident", first, now=now).isoformat(),
             "to": (instant("--incident", last, now=now) if last else now).isoformat(),
             "as_test": str(asked.keep is not None).lower()}  # fmt: skip
    with Server(asked.server, asked.token_file) as server:
        found = server.ask("GET", f"/api/v1/rules/{_key(asked.rule)}/incident?{urlencode(query)}")
    if asked.keep is not None:
        try:
            asked.keep.write_text(found["test"], encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--keep {asked.keep}: {error.strerror}") from error
    if asked.output == "json":
        json.dump(found, out, indent=2, ensure_ascii=False)
        out.write("\n")
    else:
        _write_incident(found, asked.keep, out)
    return SAYS_NO if found["lines"] else OK


def _write_incident(found: Mapping[str, Any], keep: Path | None, out: TextIO) -> None:
    lines = found["lines"]
    print(f"{found['rule']}: {found['decisions']} decisions, {len(lines)} of them otherwise now", file=out)
    for one in lines:
        then, now = one["then"], one["now"]
        print(f"{one['at'][:19]}Z  at {one['current_replicas']}: {then['desired_replicas']} ({then['reason']}) →"
              f" {now['desired_replicas']} ({now['reason']}): {now['message']}", file=out)  # fmt: skip
    if keep is not None:
        print(f"kept as a test in {keep}; see foretide test", file=out)


def _key(rule: str) -> str:
    return rule if "/" in rule else f"default/{rule}"


def _by_server(asked: Asked) -> Report:
    """By a running Foretide: started there, watched here."""
    now = datetime.now(tz=UTC)
    since, until = _interval(asked, end=now)
    unusable = [
        name for name, given in (("--present", asked.present), ("--node", asked.nodes), ("--slo", asked.slo),
                                 ("--usage-per-load", asked.usage), ("--request", asked.requests),
                                 ("--limit", asked.limits)) if given
    ]  # fmt: skip
    if unusable:
        raise UsageError(f"{', '.join(unusable)} goes with --rules and --data; a server knows its own")
    options = options_of(asked)
    body: dict[str, Any] = {"sweep": asked.sweep, "capacity": options.capacity,
                            "startup_seconds": options.startup_seconds,
                            "metric_delay_seconds": options.metric_delay_seconds,
                            "violated_minute": options.violated_minute}  # fmt: skip
    body |= {name: one.isoformat() for name, one in (("from", since), ("to", until)) if one is not None}
    with Server(asked.server, asked.token_file) as server:
        started = server.ask("POST", f"/api/v1/rules/{_key(asked.rule)}/backtests", body)
        ended = server.wait(started["id"], _shown)
        return from_json(server.ask("GET", ended["result"]))


def _shown(words: str, share: float) -> None:
    """On a terminal, what is being done."""
    if sys.stderr.isatty():
        end = "\r\x1b[K" if share >= 1 else ""
        print(f"\r\x1b[Kforetide: {words} …", end=end, file=sys.stderr, flush=True)


def _rule_of(running: RuleSet, wanted: str) -> ScalingRule:
    """By ``namespace/name``, or by a name that only one has."""
    found = [one for one in running.rules if wanted in (one.key, one.metadata.name)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(one.key for one in running.rules) or "none"
    if found:
        raise UsageError(f"{wanted} is the name of {len(found)} rules; write one of {known}")
    raise UnknownRuleError(f"there is no rule {wanted}; known are {known}")


def _interval(asked: Asked, *, end: datetime) -> tuple[datetime | None, datetime | None]:
    until = None if asked.until is None else instant("--to", asked.until, now=end)
    since = None if asked.since is None else instant("--from", asked.since, now=until or end)
    if since is not None and until is not None and since >= until:
        raise UsageError(f"--from {asked.since} is not before --to {asked.until}")
    return since, until


def instant(option: str, text: str, *, now: datetime) -> datetime:
    """A time, or a duration before ``now``."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return now - seconds(option, text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def seconds(option: str, text: str) -> timedelta:
    """A duration."""
    try:
        found = parse_duration(text)
    except (ValueError, OverflowError):
        raise UsageError(f"{option} {text}: expected a duration such as 90s, or a time") from None
    if found < timedelta():
        raise UsageError(f"{option} {text}: expected a duration of 0 or more")
    return found


def options_of(asked: Asked) -> Options:
    """What the operator said of the world."""
    for name, number in (("--capacity", asked.capacity), ("--violated-minute", asked.violated_minute)):
        if number is not None and not (number > 0 and np.isfinite(number)):
            raise UsageError(f"{name} {number:g}: expected a number above 0")
    return Options(
        capacity=asked.capacity,
        startup_seconds=None if asked.startup is None else _startup(asked.startup),
        metric_delay_seconds=None if asked.delay is None else seconds("--metric-delay", asked.delay).total_seconds(),
        slo_seconds=None if asked.slo is None else seconds("--slo", asked.slo).total_seconds(),
        requests=_quantities("--request", asked.requests),
        limits=_quantities("--limit", asked.limits),
        usage_per_load=_quantities("--usage-per-load", asked.usage),
        pools=_pools(asked.nodes),
        violated_minute=asked.violated_minute,
    )


def _startup(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    first = seconds("--startup", low).total_seconds()
    last = seconds("--startup", high).total_seconds() if high else first
    if not 0 < first <= last:
        raise UsageError(f"--startup {text}: expected a duration above 0, or a shorter and a longer one (60s-180s)")
    return first, last


def _quantities(option: str, pairs: Sequence[str]) -> dict[str, float]:
    made = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        try:
            made[name] = float(parse_quantity(text))
        except (ValueError, ArithmeticError):
            made[name] = 0.0
        if name not in ("cpu", "memory") or not made[name] > 0:
            raise UsageError(f"{option} {pair}: expected cpu=500m or memory=1Gi")
    return made


def _pools(texts: Sequence[str]) -> Pools | None:
    if not texts:
        return None
    each = [_pool(text) for text in texts]
    each.sort(key=lambda one: one["price"] / one["slots"])
    whole = {name: np.array([round(one[name]) for one in each], dtype=np.int64) for name in ("slots", "max", "boot")}
    return Pools(
        slots=whole["slots"], largest=whole["max"], boot_ticks=whole["boot"],
        price=np.array([one["price"] for one in each]), idle_ticks=round(600 / TICK_SECONDS),
    )  # fmt: skip


def _pool(text: str) -> Mapping[str, float]:
    made = {"slots": 0.0, "price": 0.0, "boot": 90 / TICK_SECONDS, "max": 1000.0}
    for pair in text.split(","):
        name, _, value = pair.partition("=")
        try:
            if name not in made:
                raise ValueError
            made[name] = (
                np.ceil(seconds("--node", value).total_seconds() / TICK_SECONDS) if name == "boot" else float(value)
            )
        except ValueError:
            raise UsageError(f"--node {text}: expected slots=10,price=0.4,boot=90s,max=100") from None
    if not (made["slots"] >= 1 and made["max"] >= 1 and made["price"] >= 0):
        raise UsageError(f"--node {text}: slots and max are at least 1, price is not negative")
    return made
