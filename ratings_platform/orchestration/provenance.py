"""Which deliveries a derived table's years come from.

Belongs here: what a version notes of the bronze tables that went into it, by whichever way, and telling years that
come from different ones. Does not belong here: keeping that note (`lake`), and how Dagster shows it (`checks`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from ratings_platform.lake.tables import YEARS, LakeTable
from ratings_platform.orchestration.ingestion import unit_of
from ratings_platform.schema.files import Scan
from ratings_platform.schema.tables import Table

# By bronze table: what tells its content from others, with the version that had it. One entry each, unless tables on
# the way come from different deliveries themselves.
MadeFrom = Mapping[str, Mapping[str, int | None]]

# Of other layers nothing is derived that has years.
_LAYERS = ("silver", "gold")
_WHOLE = "made_from"


class Mixture(NamedTuple):
    """Years of a table that come from other deliveries of some bronze tables than these have now."""

    tables: tuple[str, ...]
    stale: tuple[int, ...]


def noted(
    table: Table, scans: Mapping[str, Scan], years: Sequence[int] | None, stored: Callable[[Table], LakeTable]
) -> tuple[dict[str, Any], dict[int, Any]]:
    """What a version that is made from scans says of itself as a whole, and of each of its years."""
    if table.layer not in _LAYERS:
        return {}, {}
    inputs = {name: scan for name, scan in scans.items() if name != table.name}
    said = {name: stored(scan.table).info() for name, scan in inputs.items() if scan.table.layer in _LAYERS}
    if years is None:
        whole = _made_from(inputs, said, None)
        return ({_WHOLE: whole} if whole else {}), {}
    return {}, {year: _made_from(inputs, said, year) for year in years}


def mixture(info: Mapping[str, Any], current: Callable[[str], Scan]) -> Mixture | None:
    """What is mixed in a table whose version says `info`; None when all years come from one delivery.

    Years that say nothing, of releases before this was noted, are left out.
    """
    of_year: dict[int, MadeFrom] = {int(year): made for year, made in info.get(YEARS, {}).items()}
    names = sorted(set(chain.from_iterable(of_year.values())))
    mixed = tuple(name for name in names if len({frozenset(made.get(name, ())) for made in of_year.values()}) > 1)
    if not mixed:
        return None
    now = {name: {content_mark(current(name))} for name in mixed}
    stale = (year for year, made in of_year.items() if any(set(made.get(name, ())) != now[name] for name in mixed))
    return Mixture(mixed, tuple(sorted(stale)))


def content_mark(bronze: Scan) -> str:
    """The same for versions of a bronze table that hold the same units, whichever run has made them."""
    ids = sorted({unit_of(file) for file in bronze.files})
    return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:12]


def spans(years: Collection[int]) -> str:
    """Years for people: 1995–2002, 2004."""
    found: list[list[int]] = []
    for year in sorted(years):
        if found and year == found[-1][-1] + 1:
            found[-1].append(year)
        else:
            found.append([year])
    return ", ".join(str(s[0]) if len(s) == 1 else f"{s[0]}–{s[-1]}" for s in found)


def _made_from(inputs: Mapping[str, Scan], said: Mapping[str, Any], year: int | None) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, scan in inputs.items():
        if name not in said:
            found.setdefault(name, {})[content_mark(scan)] = scan.version
        for made in _parts(said.get(name, {}), year):
            for bronze, marks in made.items():
                found.setdefault(bronze, {}).update(marks)
    return found


def _parts(info: Mapping[str, Any], year: int | None) -> Iterable[MadeFrom]:
    """What a version says of itself that holds for a year, or for all that it has."""
    years = info.get(YEARS, {})
    of_years = years.values() if year is None else [years.get(str(year), {})]
    return [info.get(_WHOLE, {}), *of_years]
