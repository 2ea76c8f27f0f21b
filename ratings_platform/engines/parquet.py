"""What the footers of Parquet files say.

Belongs here: reading from a footer what the lake must know of a file, and what checks can know of its rows. Does not
belong here: the rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.quality import Extent
from ratings_platform.schema.tables import Table


def describe(root: str, path: str, table: Table, *, year: int | None = None) -> DataFile:
    """What the footer of `root/path` says: rows, size and, for unpartitioned tables with a time column, its bounds."""
    file = Path(root, path)
    footer = pq.read_metadata(file)
    first, last = _bounds(footer, table.time_column) if table.time_column and year is None else (None, None)
    return DataFile(path, footer.num_rows, file.stat().st_size, year, first, last)


def extents(scan: Scan) -> dict[str, Extent]:
    """What the footers of a scan's files say of its columns."""
    footers = [pq.read_metadata(path) for path in scan.paths]
    found = {c.name: [e for footer in footers for e in _extents(footer, c.name)] for c in scan.table.columns}
    if scan.table.partition_by:  # which stands in the paths
        found[scan.table.partition_by] = [Extent(0, (file.year, file.year)) for file in scan.files]
    return {name: _together(parts) for name, parts in found.items()}


def _extents(footer: pq.FileMetaData, name: str) -> Iterator[Extent]:
    """Of a column in each group of rows; bounds only of whole numbers and days, which are compared alike everywhere."""
    if name not in footer.schema.names:
        yield Extent(None, None)
        return
    column = footer.schema.names.index(name)
    for number in range(footer.num_row_groups):
        stats = footer.row_group(number).column(column).statistics
        bounds = (stats.min, stats.max) if stats and stats.has_min_max else (None, None)
        yield Extent(
            stats.null_count if stats and stats.has_null_count else None,
            bounds if all(type(end) in (int, date) for end in bounds) else None,
        )


def _together(parts: Sequence[Extent]) -> Extent:
    nulls = [part.nulls for part in parts if part.nulls is not None]
    bounds = [part.bounds for part in parts if part.bounds is not None]
    return Extent(
        sum(nulls) if len(nulls) == len(parts) else None,
        (min(low for low, _ in bounds), max(high for _, high in bounds)) if len(bounds) == len(parts) > 0 else None,
    )


def _bounds(footer: pq.FileMetaData, name: str) -> tuple[date | None, date | None]:
    """The least and the greatest day or moment of a column; unknown where some of its rows are not counted in."""
    column = footer.schema.names.index(name)
    found = [footer.row_group(i).column(column).statistics for i in range(footer.num_row_groups)]
    if not found or not all(stats and stats.has_min_max for stats in found):
        return None, None
    return min(stats.min for stats in found), max(stats.max for stats in found)
