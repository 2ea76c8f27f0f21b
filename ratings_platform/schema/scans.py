"""A scan as DuckDB SQL, for the engine and for the warehouse that loads from the lake.

Belongs here: the select that reads a scan's live files with the declared columns and types. Does not belong here: a
connection to run it.
"""

from __future__ import annotations

from functools import cache

from ibis.backends.sql.datatypes import DuckDBType

from ratings_platform.schema.files import Scan
from ratings_platform.schema.sql import literal, quoted
from ratings_platform.schema.tables import Table


@cache
def duckdb_types(table: Table) -> dict[str, str]:
    """The declared columns with their types as DuckDB names them."""
    return {name: DuckDBType.to_string(dtype) for name, dtype in table.ibis_schema.items()}


def scan_sql(scan: Scan) -> str:
    """A select over the scan's live files, with the declared columns and types in the declared order."""
    types = duckdb_types(scan.table)
    if not scan.files:
        return "select " + ", ".join(f"cast(null as {t}) as {quoted(n)}" for n, t in types.items()) + " where false"
    columns = ", ".join(f"cast({quoted(n)} as {t}) as {quoted(n)}" for n, t in types.items())
    sql = f"select {columns} from read_parquet([{', '.join(map(literal, scan.paths))}], {_hive(scan.table)})"
    return sql + _of_years(scan)


def _hive(table: Table) -> str:
    if table.partition_by is None:
        return "hive_partitioning = false"
    return f"hive_partitioning = true, hive_types = {{{literal(table.partition_by)}: integer}}"


def _of_years(scan: Scan) -> str:
    """Files of a partitioned table hold one year each; elsewhere a file may hold more than was asked for."""
    if scan.years is None or scan.table.partition_by or scan.table.time_column is None:
        return ""
    day = quoted(scan.table.time_column)
    spans = (f"{day} between date '{y}-01-01' and date '{y}-12-31'" for y in scan.years)
    return " where " + (" or ".join(spans) or "false")
