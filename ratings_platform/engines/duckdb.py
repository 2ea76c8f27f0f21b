"""The embedded engine: DuckDB over the lake's Parquet files, Polars over vendor text.

Belongs here: running Ibis expressions over scans on DuckDB, and writing their rows as Parquet. Does not belong here:
what the expressions mean, and which files are live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import duckdb
import ibis.expr.types as ir
import polars as pl
import pyarrow as pa

from ratings_platform.duckdb_session import open_session
from ratings_platform.engines import text
from ratings_platform.engines.faults import storage_faults
from ratings_platform.engines.parquet import describe
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.reading import SourceFile
from ratings_platform.schema.scans import scan_sql, stored_sql
from ratings_platform.schema.sql import compiled, literal, quoted, result_schema
from ratings_platform.schema.study import Ingest
from ratings_platform.schema.tables import Table

# More compression, and dictionaries of columns with many values, cost a tenth of the writing and save nothing.
_PARQUET = "format parquet, compression zstd, compression_level 1, dictionary_size_limit 1024, parquet_version"
# A year begins while the last rows of another are still written by one thread.
_YEARS_AT_ONCE = 2


class DuckDBEngine:
    """Runs expressions in the process of the caller; nothing is opened before it is used.

    `memory_limit` (as DuckDB writes sizes, for example `2GB`) bounds its memory; what does not fit goes to
    `temp_directory`. `local` gives a scan whose files lie on this machine.
    """

    kind = "duckdb"

    def __init__(self, memory_limit: str, temp_directory: Path, local: Callable[[Scan], Scan] = lambda scan: scan):
        self._local = local
        self._settings: dict[str, str | bool] = {
            "memory_limit": memory_limit,
            "temp_directory": str(temp_directory),
            # Rows are written in the order of the inputs: equal inputs give equal files.
            "preserve_insertion_order": True,
        }

    def rows(self, expr: ir.Expr, scans: Mapping[str, Scan]) -> pa.Table:
        """The result of an expression in memory: for small results only."""
        return self.many_rows({"": expr}, scans)[""]

    def many_rows(self, exprs: Mapping[str, ir.Expr], scans: Mapping[str, Scan]) -> dict[str, pa.Table]:
        """Several small results over the same scans."""
        with self._session(scans) as session:
            return {
                name: session.sql(compiled(expr)).to_arrow_table().cast(result_schema(expr))
                for name, expr in exprs.items()
            }

    def write(
        self,
        expr: ir.Table,
        scans: Mapping[str, Scan],
        target: Table,
        root: str,
        folder: str,
        *,
        years: Sequence[int] | None = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> list[DataFile]:
        """Write an expression's rows below `root/folder`, one file, or one for each of `years` that has rows.

        A partitioned table is written year by year, each year from that year's inputs alone: so one year costs its
        share, and gives the same file whether it is written alone or among others. Inputs that know no years give
        every year the rows that are its own.
        """
        sql = compiled(expr)
        with storage_faults(target.path, root, folder):
            if target.partition_by is None:
                return [self._write_file(sql, scans, target, root, f"{folder}/data.parquet")]
            # Once for all years, not by two threads: the files on this machine, and the database.
            here = {name: self._local(scan.of_years(years or ())) for name, scan in scans.items()}
            _ = self._instance

            def of_year(year: int) -> DataFile:
                narrowed = {name: scan.of_years([year]) for name, scan in here.items()}
                path = f"{folder}/{target.partition_by}={year}/data.parquet"
                return self._write_file(sql, narrowed, target, root, path, year)

            files = []
            with ThreadPoolExecutor(_YEARS_AT_ONCE, "year") as pool:
                for file in pool.map(of_year, years or ()):
                    progress(f"{target.path} {file.year}: {file.rows:,} rows")
                    files.append(file)
        for empty in (file for file in files if not file.rows):
            Path(root, empty.path).unlink()
        return [file for file in files if file.rows]

    def store(
        self, ingest: Ingest, files: Sequence[SourceFile], known: Mapping[str, Scan], root: str, folder: str
    ) -> text.Stored:
        """See `engines.text.store`."""
        frames = {name: pl.scan_parquet(self._local(scan).paths, glob=False) for name, scan in known.items()}
        return text.store(ingest.reader(files, frames), ingest.table, root, folder)

    def _write_file(
        self, sql: str, scans: Mapping[str, Scan], target: Table, root: str, path: str, year: int | None = None
    ) -> DataFile:
        file = Path(root, path)
        with self._session(scans) as session:
            file.parent.mkdir(parents=True, exist_ok=True)
            session.execute(
                f"copy ({stored_sql(sql, target, year)}) to {literal(str(file))} ({_PARQUET} {_version(target)})"
            )
        return describe(root, path, target, year=year)

    @contextmanager
    def _session(self, scans: Mapping[str, Scan]) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own, on which each scan is a view under its name."""
        with self._instance.cursor() as connection:
            for name, scan in scans.items():
                connection.execute(f"create temp view {quoted(name)} as {scan_sql(self._local(scan))}")
            yield connection

    @cached_property
    def _instance(self) -> duckdb.DuckDBPyConnection:
        """An empty database in memory."""
        return open_session(self._settings)


def _version(table: Table) -> str:
    """The version of Parquet's pages. The second is smaller and, for keys and dates, written faster; but it splits
    floats in a way that Spark's fast reader does not know.
    """
    return "v1" if any(kind.is_floating() for kind in table.ibis_schema.types) else "v2"
