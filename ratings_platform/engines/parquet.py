"""Parquet files that an engine has just written.

Belongs here: reading from a footer what the lake must know of a file. Does not belong here: the rows.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq

from ratings_platform.schema.files import DataFile
from ratings_platform.schema.tables import Table


def describe(root: str, path: str, table: Table, *, year: int | None = None) -> DataFile:
    """What the footer of `root/path` says: rows, size and, for unpartitioned tables with a time column, its bounds."""
    file = Path(root, path)
    footer = pq.read_metadata(file)
    days = []
    if table.time_column and year is None:
        column = footer.schema.names.index(table.time_column)
        groups = (footer.row_group(i).column(column).statistics for i in range(footer.num_row_groups))
        days = [day for stats in groups if stats and stats.has_min_max for day in (stats.min, stats.max)]
    return DataFile(
        path,
        rows=footer.num_rows,
        size=file.stat().st_size,
        year=year,
        first_day=min(days, default=None),
        last_day=max(days, default=None),
    )
