"""The SQL that makes a declared table in MySQL and MariaDB.

Belongs here: CREATE TABLE and its parts, built from a declaration, with the partitions and indexes that it is given.
Does not belong here: running SQL, loading rows, and choosing what to index.

References are not declared to the database: checks prove them, and partitioned tables can have none. Keys are: a table
is stored in the order of its key.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import ibis.expr.datatypes as dt
from ibis.backends.sql.datatypes import MySQLType

from ratings_platform.schema.tables import Column, Table

# Three such columns fit into one InnoDB key (3072 bytes, 4 a character).
_KEY_LENGTH = 255
# MySQL's limits, in characters.
_TABLE_COMMENT, _COLUMN_COMMENT = 2048, 1024


def create_mysql_table(
    table: Table,
    name: str | None = None,
    *,
    collation: str = "utf8mb4_bin",
    years: Collection[int] | None = None,
    indexes: Sequence[Sequence[str]] = (),
    unless_there: bool = False,
) -> str:
    """CREATE TABLE for MySQL and MariaDB, with key, indexes and comments; cut by year where `years` are given.

    Texts of keys, references and listed values are VARCHAR, others MEDIUMTEXT (16 MiB).
    """
    lines = [mysql_column(table, column) for column in table.columns]
    if key := mysql_key(table):
        lines.append(f"PRIMARY KEY ({_mysql_names(key)})")
    lines += [mysql_index(index) for index in indexes]
    create = "CREATE TABLE IF NOT EXISTS" if unless_there else "CREATE TABLE"
    sql = (
        f"{create} {mysql_name(name or table.name)} (\n  " + ",\n  ".join(lines) + "\n)"
        f" ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE={collation}"
        f" COMMENT={mysql_text(table.description[:_TABLE_COMMENT])}"
    )
    if years is None or table.partition_by is None:
        return sql
    # The partition without years holds nothing: a table needs one partition before its first year is known.
    partitions = ["PARTITION `none` VALUES IN (NULL)", *map(mysql_partition, sorted(years))]
    return f"{sql}\nPARTITION BY LIST ({mysql_name(table.partition_by)}) (\n  " + ",\n  ".join(partitions) + "\n)"


def mysql_partition(year: int) -> str:
    """The definition of a year's partition."""
    return f"PARTITION `y{int(year)}` VALUES IN ({int(year)})"


def mysql_key(table: Table) -> tuple[str, ...]:
    """The columns of the PRIMARY KEY; none where it cannot be declared."""
    # A unique key has to hold the column by which the table is cut, and a table that is exchanged has the same keys.
    return table.key if table.partition_by is None or table.partition_by in table.key else ()


def mysql_column(table: Table, column: Column) -> str:
    """The definition of a column."""
    about = mysql_text(column.description[:_COLUMN_COMMENT])
    return f"{mysql_name(column.name)} {mysql_type(table, column)} COMMENT {about}"


def mysql_type(table: Table, column: Column) -> str:
    """Type and NULL or NOT NULL."""
    return f"{_mysql_type(table, column)} {'NULL' if column.nullable else 'NOT NULL'}"


def mysql_index_name(columns: Sequence[str]) -> str:
    return "by_" + "_".join(columns)


def mysql_index(columns: Sequence[str]) -> str:
    """The definition of an index; it is named after its columns."""
    return f"INDEX {mysql_name(mysql_index_name(columns))} ({_mysql_names(columns)})"


def mysql_name(name: str) -> str:
    """An identifier as MySQL quotes it."""
    return "`" + name.replace("`", "``") + "`"


def mysql_text(text: str) -> str:
    """A string literal of MySQL; sqlglot leaves its backslashes alone."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _mysql_type(table: Table, column: Column) -> str:
    dtype = table.ibis_schema[column.name]
    if isinstance(dtype, dt.String):
        short = column.name in table.key or column.references or column.allowed
        return f"VARCHAR({_KEY_LENGTH})" if short else "MEDIUMTEXT"
    if isinstance(dtype, dt.Timestamp):
        return "DATETIME(6)"
    return str(MySQLType.to_string(dtype))


def _mysql_names(columns: Sequence[str]) -> str:
    return ", ".join(map(mysql_name, columns))
