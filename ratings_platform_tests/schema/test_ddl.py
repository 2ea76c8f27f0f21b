"""DDL: what DuckDB makes of it is what was declared, and the words that MySQL gets."""

from __future__ import annotations

from dataclasses import replace

import duckdb
import ibis
import pytest

from ratings_platform.schema.ddl import comments, create_mysql_table, create_table
from ratings_platform.schema.tables import Column, Table

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


SALES = Table(
    "gold",
    "sales",
    "One row per sale; it's \\ 100 % ours.",
    (
        Column("company", "string", "Who.", allowed=("a", "b")),
        Column("product", "string", "What.", references="products.id"),
        Column("note", "string", "A `long` text.", nullable=True),
        Column("at", "timestamp(3)", "When."),
        Column("price", "decimal(10, 2)", "How much."),
        Column("is_paid", "boolean", "Whether."),
        Column("year", "int32", "Year."),
    ),
    key=("company", "product"),
    partition_by="year",
)


def test_mysql_gets_types_lengths_comments_partitions_and_indexes() -> None:
    sql = create_mysql_table(
        SALES, "sales`x", collation="utf8mb4_x", years=[2002, 2001], indexes=[("at",), ("product", "at")]
    )
    assert sql == (
        "CREATE TABLE `sales``x` (\n"
        "  `company` VARCHAR(255) NOT NULL COMMENT 'Who.',\n"
        "  `product` VARCHAR(255) NOT NULL COMMENT 'What.',\n"
        "  `note` MEDIUMTEXT NULL COMMENT 'A `long` text.',\n"
        "  `at` DATETIME(6) NOT NULL COMMENT 'When.',\n"
        "  `price` DECIMAL(10, 2) NOT NULL COMMENT 'How much.',\n"
        "  `is_paid` BOOLEAN NOT NULL COMMENT 'Whether.',\n"
        "  `year` INT NOT NULL COMMENT 'Year.',\n"
        "  INDEX `by_at` (`at`),\n"
        "  INDEX `by_product_at` (`product`, `at`)\n"
        ") ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_x"
        " COMMENT='One row per sale; it''s \\\\ 100 % ours.'\n"
        "PARTITION BY LIST (`year`) (\n"
        "  PARTITION `none` VALUES IN (NULL),\n"
        "  PARTITION `y2001` VALUES IN (2001),\n"
        "  PARTITION `y2002` VALUES IN (2002)\n"
        ")"
    )


def test_mysql_gets_the_key_where_it_can_have_one() -> None:
    whole = replace(SALES, partition_by=None)
    assert "PRIMARY KEY (`company`, `product`)" in create_table(whole, "mysql")
    assert "PARTITION" not in create_table(whole, "mysql")
    by_year = replace(SALES, key=("company", "year"))
    assert "PRIMARY KEY (`company`, `year`)" in create_table(by_year, "mysql")
    assert "PARTITION BY LIST" in create_table(by_year, "mysql")
    assert comments(SALES, "mysql") == ()


def test_comments_longer_than_mysql_takes_are_cut() -> None:
    long = replace(SALES, description="d" * 3000, columns=(Column("company", "string", "c" * 3000),), key=(),
                   partition_by=None)  # fmt: skip
    sql = create_mysql_table(long)
    assert (sql.count("d" * 2048), sql.count("d" * 2049), sql.count("c" * 1024), sql.count("c" * 1025)) == (1, 0, 1, 0)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
