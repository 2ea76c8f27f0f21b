"""DDL: what DuckDB makes of it is what was declared."""

from __future__ import annotations

import duckdb
import ibis
import pytest

from ratings_platform.schema.tables import Column, Table
from ratings_platform.warehouse.duckdb_ddl import comments, create_table

pytestmark = pytest.mark.unit

# Names and texts that break SQL made by pasting: a reserved word, a quote of each kind, a space.
AWKWARD = Table(
    "gold",
    'the "order"',
    "One row per order; it's awkward.",
    (
        Column("select", "int32", "A reserved word."),
        Column('say "hi"', "string", "It's quoted, -- not a remark; nor 'the end'.", nullable=True),
        Column("Day", "date", "A day."),
        Column("at", "timestamp(6)", "A moment.", nullable=True),
        Column("stars", "int8", "Stars."),
        Column("big", "int64", "A large number."),
        Column("share", "float64", "A share.", nullable=True),
        Column("single", "float32", "A small float."),
        Column("price", "decimal(10, 2)", "A price."),
        Column("is_weekend", "boolean", "A yes or no."),
        Column("tags", "array<string>", "Several texts.", nullable=True),
    ),
    key=("select",),
)


@pytest.fixture
def database() -> duckdb.DuckDBPyConnection:
    made = duckdb.connect()
    made.execute(create_table(AWKWARD))
    return made


def test_describe_equals_the_declaration(database: duckdb.DuckDBPyConnection) -> None:
    described = database.execute(f"DESCRIBE {_quoted(AWKWARD.name)}").fetchall()
    types = ("INTEGER", "VARCHAR", "DATE", "TIMESTAMP", "TINYINT", "BIGINT", "DOUBLE", "FLOAT", "DECIMAL(10,2)",
             "BOOLEAN", "VARCHAR[]")  # fmt: skip
    assert [(name, kind, null) for name, kind, null, *_ in described] == [
        (column.name, kind, "YES" if column.nullable else "NO")
        for column, kind in zip(AWKWARD.columns, types, strict=True)
    ]


def test_ibis_reads_the_declared_schema_back() -> None:
    backend = ibis.duckdb.connect()
    backend.raw_sql(create_table(AWKWARD))
    assert backend.table(AWKWARD.name).schema() == AWKWARD.ibis_schema


def test_no_key_is_declared_to_the_database(database: duckdb.DuckDBPyConnection) -> None:
    kinds = {kind for (kind,) in database.execute("SELECT constraint_type FROM duckdb_constraints()").fetchall()}
    assert kinds == {"NOT NULL"}


def test_a_missing_value_is_refused(database: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.ConstraintException):
        database.execute(f'INSERT INTO {_quoted(AWKWARD.name)} ("select") VALUES (NULL)')


def test_comments_arrive_as_declared(database: duckdb.DuckDBPyConnection) -> None:
    for statement in comments(AWKWARD):
        database.execute(statement)
    assert database.execute("SELECT comment FROM duckdb_tables()").fetchall() == [(AWKWARD.description,)]
    found = database.execute("SELECT column_name, comment FROM duckdb_columns() WHERE NOT internal").fetchall()
    assert dict(found) == {column.name: column.description for column in AWKWARD.columns}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
