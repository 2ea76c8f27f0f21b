"""Which rows are of a partition, as SQL that DuckDB and Spark read alike.

Belongs here: how a partition's key becomes a condition on a column; names of columns come quoted as their engine
quotes them. Does not belong here: which files a partition has (`files`).
"""

from __future__ import annotations

from collections.abc import Collection


def has_years(year: str, years: Collection[int]) -> str:
    """Whether a column of years, by which a table is cut, holds one of these."""
    return f"{year} in ({', '.join(str(int(y)) for y in years)})" if years else "false"


def in_years(day: str, years: Collection[int]) -> str:
    """Whether a column of days or moments is in one of these years: the last day to its end."""
    spans = (f"({day} >= date '{y:04}-01-01' and {day} < date '{y + 1:04}-01-01')" for y in years)
    return " or ".join(spans) or "false"
