"""Parquet files that an engine has just written.

Belongs here: reading from a footer what the lake must know of a file. Does not belong here: the rows.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from ratings_platform.schema.files import DataFile
from ratings_platform.schema.tables import Table


def describe(root: str, path: str, table: Table, *, year: int | None = None) -> DataFile:
    """What the footer of `root/path` says: rows, size and, for unpartitioned tables with a time column, its bounds."""
    file = Path(root, path)
    footer = pq.read_metadata(file)
    first, last = _bounds(footer, table.time_column) if table.time_column and year is None else (None, None)
    return DataFile(path, footer.num_rows, file.stat().st_size, year, first, last)


def _bounds(footer: pq.FileMetaData, name: str) -> tuple[date | None, date | None]:
    """The least and the greatest day or moment of a column; unknown where some of its rows are not counted in."""
    column = footer.schema.names.index(name)
    found = [footer.row_group(i).column(column).statistics for i in range(footer.num_row_groups)]
    if not found or not all(stats and stats.has_min_max for stats in found):
        return None, None
    return min(stats.min for stats in found), max(stats.max for stats in found)
