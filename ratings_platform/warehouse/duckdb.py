"""The warehouse in one DuckDB file.

Belongs here: loading tables into the file, whole or by year, in one transaction each, and asking it questions. Does
not belong here: which tables a warehouse holds.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import duckdb
import ibis.expr.types as ir
import pyarrow as pa

from ratings_platform.duckdb_session import open_session
from ratings_platform.schema.errors import PlatformError, is_disk_full
from ratings_platform.schema.files import Scan, readable_size
from ratings_platform.schema.partitions import has_years
from ratings_platform.schema.scans import duckdb_types, scan_sql
from ratings_platform.schema.sql import compiled, quoted, result_schema
from ratings_platform.schema.study import Study
from ratings_platform.schema.tables import Table
from ratings_platform.warehouse.duckdb_ddl import comments, create_table

_LOCK_WAIT_SECONDS = 20.0

_ROWS = "Nothing was changed. Correct the declaration of the column, or the rows in the lake."
_REMEDIES: dict[type[duckdb.Error], str] = {
    duckdb.IntegrityError: _ROWS,
    duckdb.DataError: _ROWS,
    duckdb.OutOfMemoryException: "Raise RATINGS_MEMORY_LIMIT and run again; nothing was changed.",
    duckdb.ProgrammingError: "Load the warehouse anew: ratings-platform run",
}
_UNKNOWN = "Mend what DuckDB says and run again; nothing was changed."


class DuckDBWarehouse:
    """A DuckDB file with one table for each declared table. Connections are opened late and closed early.

    DuckDB lets one process write at a time: an opening that finds the file locked waits a little, then names the
    program that holds it.
    """

    kind = "duckdb"

    def __init__(self, path: Path, memory_limit: str, *, lock_wait: float = _LOCK_WAIT_SECONDS):
        self.path = path
        self.uri = f"duckdb:///{path}"
        self._memory_limit = memory_limit
        self._lock_wait = lock_wait
        self._waited_in_vain = False
        self._kept: duckdb.DuckDBPyConnection | None = None

    def migrate(self, study: Study) -> Sequence[object]:
        """Nothing to do: tables are made when they are loaded."""
        return ()

    def load(self, table: Table, scan: Scan, years: Sequence[int] | None = None) -> int:
        """Replace a table by the rows of a scan, or some `years` of a partitioned one; returns rows loaded.

        One transaction: readers and later runs see all of it or nothing.
        """
        if years is not None:
            if table.partition_by is None:
                raise ValueError(f"table {table.path} is not cut by year")
            scan = scan.of_years(years)
        with self._connect() as connection:
            connection.execute("begin")
            present = self._columns(connection, table)
            if years is None or not present or self._holds_only(connection, table, present, years):
                connection.execute(f"drop table if exists {quoted(table.name)}")
                for statement in (create_table(table), *comments(table)):
                    connection.execute(statement)
            else:
                self._refuse_drift(table, present)
                replaced = has_years(quoted(table.partition_by or ""), years)
                connection.execute(f"delete from {quoted(table.name)} where {replaced}")
            loaded = connection.execute(f"insert into {quoted(table.name)} {scan_sql(scan)}").fetchone()
            connection.execute("commit")
        return int(loaded[0]) if loaded else 0

    def rows(self, expr: ir.Expr) -> pa.Table:
        """A small result, asked of the warehouse's own tables, with the expression's types."""
        return self.query(compiled(expr)).cast(result_schema(expr))

    def query(self, sql: str) -> pa.Table:
        with self._connect(read_only=True) as connection:
            return connection.sql(sql).to_arrow_table()

    def columns(self, table: Table) -> dict[str, str]:
        """Names and types of a table's columns as the warehouse has them; empty when it has no such table."""
        with self._connect(read_only=True) as connection:
            return self._columns(connection, table)

    def row_count(self, table: Table) -> int:
        return self.query(f"select count(*) as n from {quoted(table.name)}")["n"][0].as_py()

    def about(self, table: Table) -> dict[str, str | int]:
        size = self.path.stat().st_size
        return {"size of the file": readable_size(size), "bytes": size, "ddl": create_table(table)}

    @contextmanager
    def kept_open(self, *, read_only: bool = False) -> Iterator[None]:
        """One connection for all that happens in the block: opening and closing a large file takes its time."""
        with self._opened(read_only) as self._kept:
            try:
                yield
            finally:
                self._kept = None

    @property
    def exists(self) -> bool:
        return self.path.exists()

    def _columns(self, connection: duckdb.DuckDBPyConnection, table: Table) -> dict[str, str]:
        found = connection.execute(
            "select column_name, data_type from duckdb_columns() where table_name = ? order by column_index",
            [table.name],
        )
        return dict(found.fetchall())

    def _holds_only(
        self, connection: duckdb.DuckDBPyConnection, table: Table, present: dict[str, str], years: Sequence[int]
    ) -> bool:
        """Whether these years are all that the table holds, so that it can be made anew."""
        if table.partition_by not in present:
            return False
        sql = f"select distinct {quoted(table.partition_by or '')} from {quoted(table.name)}"
        return {year for (year,) in connection.execute(sql).fetchall()} <= set(years)

    def _refuse_drift(self, table: Table, present: dict[str, str]) -> None:
        # The types as DuckDB's catalogue spells them: INTEGER for INT.
        declared = {name: str(duckdb.sqltype(kind)) for name, kind in duckdb_types(table).items()}
        if present != declared:
            differing = sorted(name for name in {*present, *declared} if present.get(name) != declared.get(name))
            raise PlatformError(
                f"table {table.name} has other columns than declared: {', '.join(differing)}",
                file=str(self.path),
                remedy=f"Drop the table there and load it anew: ratings-platform run --only warehouse/{table.name}",
            )

    @contextmanager
    def _connect(self, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """The connection that is kept open, or one for the block; faults of the database in the block are told."""
        with nullcontext(self._kept) if self._kept is not None else self._opened(read_only) as connection:
            try:
                yield connection
            except duckdb.Error as error:
                raise _fault(error, self.path) from error

    def _opened(self, read_only: bool) -> duckdb.DuckDBPyConnection:
        """A connection, as soon as no other process has the file open."""
        if read_only and not self.path.exists():
            raise PlatformError(
                "the warehouse does not exist yet", file=str(self.path), remedy="Run: ratings-platform run"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # What is loaded may lie in any order: kept in one, it is written twice and takes half as much room again.
        settings: dict[str, str | bool] = {"memory_limit": self._memory_limit, "preserve_insertion_order": read_only}
        # Who waited in vain does not wait again until it got in: a run has many tables to load.
        deadline = time.monotonic() + (0.0 if self._waited_in_vain else self._lock_wait)
        while True:
            try:
                connection = open_session(settings, self.path, read_only=read_only)
            except duckdb.Error as error:
                if "Could not set lock" not in str(error):
                    raise _fault(error, self.path, opening=True) from error
                if time.monotonic() > deadline:
                    self._waited_in_vain = True
                    raise _locked(error, self.path) from error
                time.sleep(0.2)
            else:
                self._waited_in_vain = False
                return connection


def _locked(error: duckdb.Error, path: Path) -> PlatformError:
    holder = str(error).partition("Conflicting lock is held in ")[2].split(". ")[0] or "another program"
    return PlatformError(
        f"the warehouse file is locked by {holder}",
        file=str(path),
        remedy="Close that program, or wait until it has finished, and run again.",
    )


def _fault(error: duckdb.Error, path: Path, *, opening: bool = False) -> PlatformError:
    words = str(error).splitlines()[0] if str(error) else type(error).__name__
    if is_disk_full(error):
        problem, remedy = "the disk is full", "Free some space and run again; nothing was changed."
    elif opening:
        problem = f"the file cannot be opened as a DuckDB database ({words})"
        remedy = "Move it away, or point RATINGS_WAREHOUSE elsewhere, and load the warehouse again."
    else:
        problem = words
        remedy = next((remedy for kind, remedy in _REMEDIES.items() if isinstance(error, kind)), _UNKNOWN)
    return PlatformError(problem, file=str(path), remedy=remedy)
