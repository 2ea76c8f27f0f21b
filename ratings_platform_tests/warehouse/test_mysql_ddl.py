"""DDL: the words that MySQL and MariaDB get; what they make of them is tested where tables are loaded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ratings_platform.schema.tables import Column, Table
from ratings_platform.warehouse.mysql_ddl import create_mysql_table

pytestmark = pytest.mark.unit

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
    assert "PRIMARY KEY (`company`, `product`)" in create_mysql_table(whole, years=())
    assert "PARTITION" not in create_mysql_table(whole, years=())
    by_year = replace(SALES, key=("company", "year"))
    assert "PRIMARY KEY (`company`, `year`)" in create_mysql_table(by_year, years=())
    assert "PARTITION BY LIST" in create_mysql_table(by_year, years=())
    assert "PRIMARY KEY" not in create_mysql_table(SALES, years=())


def test_comments_longer_than_mysql_takes_are_cut() -> None:
    long = replace(SALES, description="d" * 3000, columns=(Column("company", "string", "c" * 3000),), key=(),
                   partition_by=None)  # fmt: skip
    sql = create_mysql_table(long)
    assert (sql.count("d" * 2048), sql.count("d" * 2049), sql.count("c" * 1024), sql.count("c" * 1025)) == (1, 0, 1, 0)
