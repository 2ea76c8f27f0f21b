"""Vendor text to Parquet, with Polars, whichever engine runs the rest.

Belongs here: running what a study's reader describes, one unit of files at a time, and counting that no line is lost.
Does not belong here: any file format, and which units there are.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ratings_platform.engines.faults import storage_faults
from ratings_platform.engines.parquet import describe
from ratings_platform.schema.errors import PlatformError, SourceError
from ratings_platform.schema.files import SIDECARS, DataFile
from ratings_platform.schema.reading import REJECTS, Count, Parsed
from ratings_platform.schema.tables import Table

_YEAR = "__year"


@dataclass(frozen=True)
class Stored:
    """One unit of source files as stored: its files, its rejects, and the count that proves nothing was lost."""

    files: tuple[DataFile, ...]
    rejects: DataFile | None
    lines: int
    structure: int

    @property
    def kept(self) -> int:
        return sum(f.rows for f in self.files)

    @property
    def rejected(self) -> int:
        return self.rejects.rows if self.rejects else 0


def store(parsed: Parsed, table: Table, root: str, folder: str) -> Stored:
    """Write a whole unit: see `store_part` and `require_rows`."""
    stored = store_part(parsed, table, root, folder)
    require_rows(stored, root, folder)
    return stored


def store_part(parsed: Parsed, table: Table, root: str, folder: str) -> Stored:
    """Write rows below `root/folder`, one file a year where the table has a time column, and their rejects.

    The second pass over the text, which finds the rejects, is run only when the independent count of lines shows
    that some were not kept. Raises PlatformError when lines are neither kept, rejected nor structure: the reader then
    has a fault.
    """
    with storage_faults(table.path, root, folder):
        files, count = _store_rows(parsed, table, root, folder)
    stored = Stored(files, None, count.lines, count.structure)
    if stored.kept != count.rows:
        with storage_faults(REJECTS.path, root, folder):
            rejects = _store_rejects(parsed.rejects, table, root, folder)
        stored = Stored(files, rejects, count.lines, count.structure)
    if stored.kept + stored.rejected != count.rows:
        raise PlatformError(
            f"{count.rows:,} rows were counted, but {stored.kept:,} kept and {stored.rejected:,} rejected",
            file=table.path,
            remedy="The file changed while it was read, or its reader has a fault; nothing was published. Run again.",
        )
    return stored


def require_rows(stored: Stored, root: str, folder: str) -> None:
    """Raises SourceError when no row at all of a unit can be used: its files are then not what they should be."""
    if stored.rejects is None or stored.kept:
        return
    found = Path(root, stored.rejects.path)
    first = pl.scan_parquet(found, glob=False).sort("file", "line").head(1).collect().row(0, named=True)
    found.unlink()
    shutil.rmtree(Path(root, folder), ignore_errors=True)
    raise SourceError(
        f"none of its {stored.rejected:,} rows can be used; the first: {first['reason']}",
        file=first["file"],
        line=first["line"],
        remedy="Fetch the file again from its origin, or leave it out; the last good version stays as it is.",
    )


def _store_rows(parsed: Parsed, table: Table, root: str, folder: str) -> tuple[tuple[DataFile, ...], Count]:
    """In one pass over the text, together with the count."""
    base = Path(root, folder)
    base.mkdir(parents=True, exist_ok=True)
    _, counts = pl.collect_all([_sink(parsed.rows, table, base), parsed.counts], engine="streaming")
    files = tuple(describe(root, f"{folder}/{file.name}", table) for file in sorted(base.glob("*.parquet")))
    return files, Count.of(counts)


def _sink(rows: pl.LazyFrame, table: Table, base: Path) -> pl.LazyFrame:
    if table.time_column is None:
        return rows.sink_parquet(base / "data.parquet", compression="zstd", lazy=True)
    # One file a year lets a single year be read later without a pass over all of them.
    return rows.with_columns(pl.col(table.time_column).dt.year().alias(_YEAR)).sink_parquet(
        pl.PartitionBy(
            base,
            key=_YEAR,
            include_key=False,
            approximate_bytes_per_file=None,
            file_path_provider=lambda args: f"{args.partition_keys.item(0, _YEAR)}-{args.index_in_partition}.parquet",
        ),
        compression="zstd",
        compression_level=1,
        lazy=True,
    )


def rejects_path(folder: str) -> str:
    """Where the rejects of the rows in `folder` are, both relative to the table's folder."""
    return f"{SIDECARS}/{folder}.parquet"


def _store_rejects(rejects: pl.LazyFrame, table: Table, root: str, folder: str) -> DataFile:
    path = rejects_path(folder)
    Path(root, path).parent.mkdir(parents=True, exist_ok=True)
    columns = [c.name for c in REJECTS.columns]
    rejects.with_columns(pl.lit(table.name).alias("table")).select(columns).sink_parquet(Path(root, path))
    return describe(root, path, REJECTS)
