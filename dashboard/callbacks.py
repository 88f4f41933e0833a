"""What the server answers to the pages: four coroutines over a data client, and the clientside ones beside them.

Every callback is ``async def``: on the FastAPI backend a plain function would run on the event loop and stop the API.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable
from datetime import datetime
from typing import Any, TypeVar

from dash import ClientsideFunction, Dash, Input, Output, State, ctx, no_update

from dashboard import decisions, explanation, figures, fleet, service, shell
from dashboard.contract import DataClient, ServicePage, Status
from dashboard.parts import Component, Note
from dashboard.view import View, read
from domain.errors import ForetideError

_log = logging.getLogger(__name__)
T = TypeVar("T")
Answer = dict[str, Any]
_AROUND_OUTPUTS = (Output("nav-services", "children"), Output("about", "children"), Output("banner", "children"))
_SERVICE_OUTPUTS = {
    "title": Output("title", "children"),
    "tiles": Output("tiles", "children"),
    "decisions": Output("decisions", "children"),
    "version": Output("decisions-version", "data"),
    **{f"figure_{name}": Output(f"chart-{name}", "figure") for name in figures.CHARTS},
    **{f"state_{name}": Output(f"panel-{name}", "data-state") for name in service.PANELS},
    **{f"note_{name}": Output(f"note-{name}", "children") for name in service.PANELS},
    **{f"unit_{name}": Output(f"unit-{name}", "children") for name in service.PANELS},
}


class PageUnreadableError(ForetideError):
    """A read failed; the message is the sentence for the reader."""


async def readable(answer: Awaitable[T]) -> T:
    """The answer; a failure becomes one sentence, an unexpected one is logged with a reference to find it by."""
    try:
        return await answer
    except ForetideError as error:
        raise PageUnreadableError(str(error)) from error
    except Exception as error:
        reference = uuid.uuid4().hex[:8]
        _log.exception("dashboard read failed", extra={"reference": reference})
        raise PageUnreadableError(f"Internal error, reference {reference}: the log has the details.") from error


def register(app: Dash, data: DataClient) -> None:
    """Put every callback on ``app``."""
    _clientside(app)

    async def route(place: Any) -> tuple[Component, list[Component]]:
        return route_to(place)

    async def around(_place: Any, _n: int | None) -> tuple[Any, Any, Any]:
        return await surroundings(data)

    async def show_fleet(_view: Any, _n: int | None) -> tuple[Any, Component]:
        return await fleet_answer(data)

    async def show_service(view: Any, n: int | None, place: Any, version: Any) -> Answer:
        return await service_answer(data, place, view, version if ctx.triggered_id == "tick" else None)

    async def show_why(clicks: int | None, place: Any) -> Any:
        return await why_answer(data, place) if (clicks or 0) % 2 else no_update

    place, tick = Input("place", "data"), Input("tick", "n_intervals")
    app.callback(Output("page", "children"), Output("crumbs", "children"), place)(route)
    app.callback(*_AROUND_OUTPUTS, place, Input("nav-tick", "n_intervals"))(around)
    app.callback(Output("fleet-tiles", "children"), Output("fleet-table", "children"), Input("view", "data"), tick)(
        show_fleet
    )
    app.callback(
        Output("why-body", "children"), Input("why-summary", "n_clicks"), State("place", "data"),
        prevent_initial_call=True,
    )(show_why)  # fmt: skip
    app.callback(
        output=_SERVICE_OUTPUTS,
        inputs={"view": Input("view", "data"), "n": tick},
        state={"place": State("place", "data"), "version": State("decisions-version", "data")},
    )(show_service)


def _clientside(app: Dash) -> None:
    """URL, theme and buttons live in the browser: nothing of them asks the server."""
    app.clientside_callback(
        ClientsideFunction("foretide", "start"), Output("place", "data"), Output("view", "data"), Input("boot", "data")
    )
    app.clientside_callback(
        ClientsideFunction("foretide", "paint"),
        Output("painted", "data"),
        *(Input("view", "data"), Input("crumbs", "children"), Input("nav-services", "children")),
    )
    app.clientside_callback(
        ClientsideFunction("foretide", "zoom"),
        Output("zoomed", "data"), *(Input(f"chart-{name}", "relayoutData") for name in figures.CHARTS),
    )  # fmt: skip


def route_to(place: Any) -> tuple[Component, list[Component]]:
    """The empty page for a place, and its breadcrumbs."""
    match place:
        case {"page": "service", "namespace": str(namespace), "name": str(name)}:
            return service.page(), shell.crumbs((("Fleet", "/ui/"), (namespace, None), (name, None)))
        case {"page": "fleet"}:
            return fleet.page(), shell.crumbs((("Fleet", None),))
        case _:
            return fleet.no_such_page(), shell.crumbs((("Fleet", "/ui/"), ("not found", None)))


async def surroundings(data: DataClient) -> tuple[Any, Any, Any]:
    """Sidebar and banner; each says so when it cannot be read, the page goes on without them."""
    try:
        status = await readable(data.status())
        about, banner = shell.about(status), shell.mistakes_banner(status)
    except PageUnreadableError as error:
        about, banner = [str(error)], None
    try:
        return shell.services_nav(await readable(data.fleet())), about, banner
    except PageUnreadableError:
        return no_update, about, banner


async def fleet_answer(data: DataClient) -> tuple[Any, Component]:
    """Tiles and table of the fleet page."""
    try:
        rows, status = await readable(data.fleet()), await readable(data.status())
    except PageUnreadableError as error:
        return [], fleet.failed(str(error))
    now = data.now()
    return fleet.fleet_tiles(rows, status), fleet.table(rows, now)


async def service_answer(data: DataClient, place: Any, state: Any, version: str | None) -> Answer:
    """Everything of the service page; with ``version`` (a tick) only what moved since."""
    view, now = read(state), data.now()
    namespace, name = _named(place)
    try:
        page = await readable(data.service(namespace, name, view.window(now), max_points=view.max_points))
        status = await readable(data.status())
    except PageUnreadableError as error:
        return _failed(view, str(error), title=None if version else [service.heading(name)])
    if page is None:
        sentence = f"Nobody knows {namespace}/{name}: no rule, metric or span names it."
        return _failed(view, sentence, title=service.unknown(namespace, name), state="empty")
    return _drawn(page, status, view, now, version)


async def why_answer(data: DataClient, place: Any) -> Component:
    """The opened panel of the service page; a reason in words where there is nothing to show."""
    namespace, name = _named(place)
    try:
        found = await readable(data.explanation(namespace, name))
    except PageUnreadableError as error:
        return explanation.sentence(f"This forecast cannot be taken apart now: {error}")
    if found is None:
        return explanation.sentence("Nothing is forecast for this service: its rule has no forecast trigger.")
    return explanation.body(found)


def _drawn(page: ServicePage, status: Status, view: View, now: datetime, version: str | None) -> Answer:
    charts = figures.figures(page, view=view, now=now)
    newest = decisions.version(page.decisions, page.decisions_total)
    same = newest == version
    return {
        "title": service.title(page, status, view, now),
        "tiles": service.page_tiles(page, view, now),
        "decisions": no_update if same else decisions.decision_list(page.decisions, page.decisions_total),
        "version": no_update if same else newest,
        **{f"figure_{name}": figures.moved(chart) if version else chart for name, chart in charts.items()},
        **_states(service.notes(page, view, now), service.units(page)),
    }


def _failed(view: View, sentence: str, *, title: Any, state: Any = "error") -> Answer:
    """Empty panels with the sentence; the charts keep their last picture under it on a tick."""
    again = sentence if state == "error" else "Nothing to show."
    told = {name: Note(state=state, sentence=sentence if name == "load" else again) for name in service.PANELS}
    return {
        "title": no_update if title is None else title,
        "tiles": no_update if title is None else [],
        "decisions": no_update if title is None else [],
        "version": None,
        **{f"figure_{name}": no_update if title is None else figures.blank(view) for name in figures.CHARTS},
        **_states(told, {name: "" for name in service.PANELS}),
    }


def _states(notes: dict[str, Note], units: dict[str, str]) -> Answer:
    return {
        **{f"state_{name}": note.state for name, note in notes.items()},
        **{f"note_{name}": note.sentence for name, note in notes.items()},
        **{f"unit_{name}": units[name] for name in notes},
    }


def _named(place: Any) -> tuple[str, str]:
    match place:
        case {"namespace": str(namespace), "name": str(name)}:
            return namespace, name
        case _:
            return "", ""
