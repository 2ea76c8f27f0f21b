"""Files of a table, and lazy readings of them.

Belongs here: the vocabulary in which the lake, the engines and the warehouse speak of a table's data without touching
it. Does not belong here: opening any file.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date

from ratings_platform.schema.tables import Table

# Below a table's folder: its sidecars, files that its versions speak of and that hold none of its rows. Delta's own
# vacuum, which knows nothing of them, leaves names alone that begin so.
SIDECARS = "_rejects"


@dataclass(frozen=True)
class DataFile:
    """One Parquet file of a table.

    `path` is relative to the table's folder; `year` is the partition it belongs to (None: the table has none);
    `first_day`/`last_day` bound its rows where the table has a time column and no partitions: to the moment, where
    the column holds moments.
    """

    path: str
    rows: int
    size: int
    year: int | None = None
    first_day: date | None = None
    last_day: date | None = None

    def may_hold(self, years: Collection[int]) -> bool:
        if self.year is not None:
            return self.year in years
        if self.first_day is None or self.last_day is None:
            return True
        return any(self.first_day.year <= year <= self.last_day.year for year in years)


@dataclass(frozen=True)
class Scan:
    """A version of a table, or some years of it, not yet read. `years` is None for the whole table."""

    table: Table
    root: str
    files: tuple[DataFile, ...]
    years: tuple[int, ...] | None = None
    version: int | None = None

    def of_years(self, years: Collection[int]) -> Scan:
        """The rows of some years; the whole table where it knows no years."""
        if self.table.partition_by is None and self.table.time_column is None:
            return self
        kept = tuple(f for f in self.files if f.may_hold(years))
        return replace(self, files=kept, years=tuple(sorted(years)))

    @property
    def paths(self) -> list[str]:
        return [f"{self.root}/{f.path}" for f in self.files]

    @property
    def rows(self) -> int:
        """Rows in the files; exact, since files of tables that know years hold one year each."""
        return sum(f.rows for f in self.files)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(f.size for f in self.files)

    def rows_by_year(self) -> dict[int, int]:
        found: dict[int, int] = {}
        for file in self.files:
            year = file.year if file.year is not None else getattr(file.first_day, "year", None)
            if year is not None:
                found[year] = found.get(year, 0) + file.rows
        return dict(sorted(found.items()))


def readable_size(number: int) -> str:
    """Bytes for people."""
    value, units = float(number), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.0f} {units[0]}" if units[0] == "B" else f"{value:.1f} {units[0]}"
