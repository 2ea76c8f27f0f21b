"""Tables and their rows as the SQL that makes them again in an empty MySQL or MariaDB database.

Belongs here: the statements of such a dump and the form of their values. Does not belong here: which tables and rows
are dumped, and where from. For whole warehouses the server's own dump programs are much faster.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
from pymysql.converters import escape_item

from ratings_platform.schema.tables import Table
from ratings_platform.warehouse.mysql_ddl import create_mysql_table, mysql_name

# Both servers have it.
_COLLATION = "utf8mb4_bin"
_PADDING = (
    f"-- Texts that differ only in spaces at their end are equal here: the collation {_COLLATION} pads with spaces.\n"
)
# Whatever the server's own mode, backslashes escape and nothing is cut in silence.
_SESSION = "SET NAMES utf8mb4;\nSET SESSION sql_mode = 'STRICT_ALL_TABLES';\n"
_ROWS_AT_ONCE = 1_000


def dump(tables: dict[Table, pa.Table], title: str) -> Iterator[str]:
    """The text of a dump, piece by piece; equal rows in equal order give equal texts. It drops nothing."""
    yield f"-- {title}\n-- Restore into an empty database: mysql DATABASE < THIS_FILE\n{_PADDING}{_SESSION}"
    for table, rows in tables.items():
        years = set(rows[table.partition_by].to_pylist()) if table.partition_by else None
        yield f"\n{create_mysql_table(table, collation=_COLLATION, years=years, indexes=table.indexes)};\n"
        yield from _inserts(table, rows)


def _inserts(table: Table, rows: pa.Table) -> Iterator[str]:
    names = ", ".join(mysql_name(column.name) for column in table.columns)
    for batch in rows.to_batches(_ROWS_AT_ONCE):
        values = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        yield f"INSERT INTO {mysql_name(table.name)} ({names}) VALUES\n" + ",\n".join(map(_row, values)) + ";\n"


def _row(values: tuple[object, ...]) -> str:
    return f"({','.join(escape_item(value, 'utf8mb4') for value in values)})"
