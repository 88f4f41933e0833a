"""Public holidays of countries and their subdivisions; the one file that knows the package ``holidays``.

Imported on the first question only: half of Foretide's documents never ask for a holiday.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from rules.wording import quote, suggestion


def unknown_country(country: str) -> str:
    """Why ``country`` cannot be taken; empty when it can."""
    known = _countries()
    if country in known:
        return ""
    hint = suggestion(country, list(known), otherwise="; write an ISO 3166-1 alpha-2 code such as FR or US")
    return f"{quote(country)} is no country whose holidays are known{hint}"


def unknown_subdivision(country: str, subdivision: str) -> str:
    """Why ``subdivision`` cannot be taken; empty when it can."""
    known = _countries()[country]
    if subdivision in known:
        return ""
    listed = ", ".join(known) or "none"
    return f"{quote(subdivision)} is no subdivision of {country}; known are {listed}"


@lru_cache(maxsize=256)
def days(country: str, subdivision: str | None, year: int) -> tuple[tuple[date, str], ...]:
    """The public holidays of one year in order, with their names: in English where the package knows them."""
    import holidays

    found = holidays.country_holidays(country, subdiv=subdivision, years=year, language="en_US")
    return tuple(sorted((day, str(name)) for day, name in found.items() if day.year == year))


@lru_cache(maxsize=1)
def _countries() -> dict[str, tuple[str, ...]]:
    import holidays

    return {code: tuple(of) for code, of in holidays.list_supported_countries(include_aliases=False).items()}
