"""Rows of files as DuckDB SQL, for the engine and for the warehouse that loads from the lake.

Belongs here: the selects that read a scan's live files, and that give what new ones hold, with the declared columns
and types. Does not belong here: a connection to run it (`duckdb_session`).
"""

from __future__ import annotations

import glob
from collections.abc import Mapping
from functools import cache

from ibis.backends.sql.datatypes import DuckDBType

from ratings_platform.schema.files import Scan
from ratings_platform.schema.partitions import has_years, in_years
from ratings_platform.schema.sql import literal, quoted
from ratings_platform.schema.tables import Table


@cache
def duckdb_types(table: Table) -> dict[str, str]:
    """The declared columns with their types as DuckDB names them."""
    return {name: DuckDBType.to_string(dtype) for name, dtype in table.ibis_schema.items()}


def scan_sql(scan: Scan) -> str:
    """A select over the scan's live files, with the declared columns and types in the declared order."""
    if not scan.files:
        nulls = (f"cast(null as {kind}) as {quoted(name)}" for name, kind in duckdb_types(scan.table).items())
        return f"select {', '.join(nulls)} where false"
    # Paths are meant as they are, brackets and stars included.
    paths = ", ".join(literal(glob.escape(path)) for path in scan.paths)
    files = f"read_parquet([{paths}], {_hive(scan.table)})"
    return f"select {_typed(duckdb_types(scan.table))} from {files}" + _of_years(scan)


def stored_sql(sql: str, table: Table, year: int | None = None) -> str:
    """A select over the rows of another, with the declared columns and types in the declared order, as files hold them.

    Of a table cut by year: the rows of one year, without its column. Ibis leaves out casts to what it takes a type for
    already, and DuckDB has wider ones for sums and parts of dates: so all are cast here.
    """
    types = duckdb_types(table)
    if table.partition_by is None or year is None:
        return f"select {_typed(types)} from ({sql})"
    held = {name: kind for name, kind in types.items() if name != table.partition_by}
    return f"select {_typed(held)} from ({sql}) where {has_years(quoted(table.partition_by), [year])}"


def _typed(types: Mapping[str, str]) -> str:
    return ", ".join(f"cast({quoted(name)} as {kind}) as {quoted(name)}" for name, kind in types.items())


def _hive(table: Table) -> str:
    if table.partition_by is None:
        return "hive_partitioning = false"
    return f"hive_partitioning = true, hive_types = {{{literal(table.partition_by)}: integer}}"


def _of_years(scan: Scan) -> str:
    """Files of a partitioned table hold one year each; elsewhere a file may hold more than was asked for."""
    if scan.years is None or scan.table.partition_by or scan.table.time_column is None:
        return ""
    return f" where {in_years(quoted(scan.table.time_column), scan.years)}"
