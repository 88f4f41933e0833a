"""A document's data as written, before any model: what stands where, for the checks that need two fields.

What cannot be read as expected is somebody else's mistake, and is passed over here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal

from domain.errors import QueryError, UnknownSourceError
from domain.units import parse_quantity
from rules.wording import quote
from rules.yaml_tree import Path

Fault = tuple[Path, str]
"""Where, and the sentence."""
CheckQuery = Callable[..., None]
"""Called with a query's text and, where it names one, its source: raises ``QueryError`` for a text that this source
cannot evaluate, ``UnknownSourceError`` for a source that is not there. A source of traces is given with
``traces=True`` and no text."""
Mapping = dict[str, object]


def at(data: object, *path: str | int) -> object:
    """What stands at ``path``; None where nothing does."""
    for part in path:
        if isinstance(part, int):
            data = data[part] if isinstance(data, list) and part < len(data) else None
        else:
            data = data.get(part) if isinstance(data, dict) else None
    return data


def text_at(data: object, *path: str | int) -> str | None:
    """The text at ``path``; None where there is none."""
    found = at(data, *path)
    return found if isinstance(found, str) else None


def whole_at(data: object, *path: str | int) -> int | None:
    """The whole number at ``path``; None where there is none."""
    found = at(data, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def quantity_at(data: object, *path: str | int) -> Decimal | None:
    """The number or quantity at ``path``; None where there is none."""
    found = at(data, *path)
    if isinstance(found, bool):
        return None
    if isinstance(found, int | Decimal):
        return Decimal(found)
    try:
        return parse_quantity(found) if isinstance(found, str) and len(found) <= 64 else None
    except ValueError:
        return None


def mappings(data: object, *path: str | int) -> list[tuple[int, Mapping]]:
    """The mappings in the list at ``path``, each with its index."""
    items = at(data, *path)
    return [(index, item) for index, item in enumerate(items if isinstance(items, list) else []) if _is_mapping(item)]


def given(data: object, names: Sequence[str]) -> list[str]:
    """Those of the fields that are there, in the order of ``names``."""
    return [name for name in names if at(data, name) is not None]


def unique_names(items: Sequence[tuple[int, Mapping]], path: Path) -> Iterator[Fault]:
    """Names that stand twice in a list."""
    first: dict[str, int] = {}
    for index, item in items:
        name = item.get("name")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            yield (*path, index, "name"), f"{quote(name)} is also the name of {path[-1]}[{first[name]}]"


def query(holder: object, path: Path, name: str, check_query: CheckQuery) -> Iterator[Fault]:
    """What is wrong with the query in the field ``name`` of what stands at ``path``."""
    written, place = at(holder, name), (*path, name)
    source = text_at(written, "source")
    if isinstance(written, dict):
        written, place = written.get("expr"), (*place, "expr")
    if not isinstance(written, str) or not written.strip():
        return
    try:
        check_query(written) if source is None else check_query(written, source)
    except UnknownSourceError as error:
        yield (*path, name, "source"), str(error)
    except QueryError as error:
        yield place, str(error)


def _is_mapping(item: object) -> bool:
    return isinstance(item, dict)
