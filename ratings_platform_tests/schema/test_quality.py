"""Quality rules: each shown holding on good rows and broken by bad ones, in DuckDB; and compiled for every engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import duckdb
import ibis
import ibis.expr.types as ir
import pytest

from ratings_platform.schema.quality import Extent, Rule, merged_measures, rules, split_counts
from ratings_platform.schema.tables import Column, Table
from ratings_platform.warehouse.duckdb_ddl import create_table

pytestmark = pytest.mark.unit

PRODUCTS = Table(
    "gold",
    "products",
    "One row per product.",
    (
        Column("product", "int32", "Key."),
        Column("company", "string", "Vendor.", allowed=("Amazon", "Netflix")),
        Column("parent", "int32", "Product that this one belongs to.", nullable=True, references="products.product"),
    ),
    key=("product",),
)
RATINGS = Table(
    "gold",
    "ratings",
    "One row per rating.",
    (
        Column("product", "int32", "Rated product.", references="products.product"),
        Column("customer", "int64", "Customer.", minimum=1),
        Column("stars", "int8", "Stars.", minimum=1, maximum=5),
        Column("day", "date", "Day.", minimum="1995-01-01", maximum="2015-12-31"),
        Column("half", "int32", "Half of the year.", nullable=True, allowed=(1, 2)),
        Column("note", "string", "A remark.", nullable=True),
    ),
)
MEANS = Table(
    "answers",
    "means",
    "One row per company and year.",
    (
        Column("company", "string", "Vendor."),
        Column("year", "int32", "Year."),
        Column("mean", "float64", "Mean.", minimum=1),
        Column("share", "float64", "Share.", nullable=True),
    ),
    key=("company", "year"),
)
TABLES = {table.name: table for table in (PRODUCTS, RATINGS, MEANS)}
GOOD: dict[str, list[tuple[Any, ...]]] = {
    "products": [(1, "Amazon", None), (2, "Netflix", 1), (3, "Netflix", 1)],
    "ratings": [
        (1, 1, 1, "1995-01-01", 1, None),
        (2, 9, 5, "2015-12-31", 2, "x"),
        (2, 9, 5, "2015-12-31", None, "x"),
    ],
    "means": [("Amazon", 2001, 1.0, None), ("Amazon", 2002, 5.0, 0.0), ("Netflix", 2001, 3.5, -1e300)],
}
NAN, INFINITY = float("nan"), float("inf")


@pytest.fixture
def database() -> duckdb.DuckDBPyConnection:
    """The tables without NOT NULL, so that a missing value can be put in."""
    made = duckdb.connect()
    for table in TABLES.values():
        made.execute(create_table(table).replace(" NOT NULL", ""))
    _insert(made, GOOD)
    return made


def _insert(database: duckdb.DuckDBPyConnection, rows: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
    for name, values in rows.items():
        database.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(values[0]))})", values)


def _rows(database: duckdb.DuckDBPyConnection, expression: ir.Table) -> list[dict[str, Any]]:
    return database.sql(ibis.to_sql(expression, dialect="duckdb")).to_arrow_table().to_pylist()


def _rule(table: Table, name: str) -> Rule:
    return next(rule for rule in rules(table, TABLES) if rule.name == name)


def _broken(database: duckdb.DuckDBPyConnection, rule: Rule) -> dict[str, int]:
    (counts,) = _rows(database, rule.measure)
    return {thing: count for thing, count in counts.items() if count}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_good_rows_break_no_rule(database: duckdb.DuckDBPyConnection, table: Table) -> None:
    for rule in rules(table, TABLES):
        assert _broken(database, rule) == {}
        assert _rows(database, rule.examples()) == []


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_no_rows_break_no_rule(database: duckdb.DuckDBPyConnection, table: Table) -> None:
    for name in TABLES:
        database.execute(f"DELETE FROM {name}")
    for rule in rules(table, TABLES):
        (counts,) = _rows(database, rule.measure)
        assert set(counts.values()) == {0}


@pytest.mark.parametrize(
    ("table", "rule", "rows", "counts", "examples"),
    [
        pytest.param(
            PRODUCTS,
            "required",
            [(None, "Amazon", None), (5, None, None), (6, None, None)],
            {"product": 1, "company": 2},
            [{"product": None, "company": "Amazon"}, {"product": 5, "company": None}, {"product": 6, "company": None}],
            id="required",
        ),
        pytest.param(
            MEANS,
            "required",
            [("Amazon", 2003, None, None)],
            {"mean": 1},
            [{"company": "Amazon", "year": 2003, "mean": None}],
            id="required of a float",
        ),
        pytest.param(
            PRODUCTS,
            "allowed_values",
            [(4, "amazon", None), (5, "", None), (6, None, None)],
            {"company": 2},
            [{"product": 4, "company": "amazon"}, {"product": 5, "company": ""}],
            id="allowed texts, case counts, null is not asked",
        ),
        pytest.param(
            RATINGS,
            "allowed_values",
            [
                (1, 0, 0, "1994-12-31", 0, None),
                (1, 1, 6, "2016-01-01", 3, None),
                (1, None, None, None, None, None),
            ],
            {"customer": 1, "stars": 2, "day": 2, "half": 2},
            None,
            id="minimum, maximum and allowed numbers",
        ),
        pytest.param(
            MEANS,
            "allowed_values",
            [("A", 1, NAN, NAN), ("B", 1, INFINITY, -INFINITY), ("C", 1, 0.99, 0.0), ("D", 1, None, None)],
            {"mean": 3, "share": 2},
            None,
            id="floats that are no finite number",
        ),
        pytest.param(
            MEANS,
            "unique_key",
            [("Amazon", 2001, 1.0, 0.5), *[("Netflix", 2001, 2.0, 0.5)] * 2, ("New", 2001, 1.0, 0.0)],
            {"repeated_keys": 2},
            [{"company": "Amazon", "year": 2001, "rows": 2}, {"company": "Netflix", "year": 2001, "rows": 3}],
            id="unique key of two columns",
        ),
        pytest.param(
            PRODUCTS,
            "unique_key",
            [(None, "Amazon", None), (None, "Netflix", None)],
            {"repeated_keys": 1},
            [{"product": None, "rows": 2}],
            id="unique key, where null is a key like any other",
        ),
        pytest.param(
            RATINGS,
            "references",
            [(7, 1, 1, "2001-01-01", 1, None), (7, 2, 1, "2001-01-01", 1, None), (None, 2, 1, "2001-01-01", 1, None)],
            {"product": 1},
            [{"column": "product", "value": "7"}],
            id="references, distinct, null refers to nothing",
        ),
        pytest.param(
            PRODUCTS,
            "references",
            [(4, "Amazon", 9), (5, "Amazon", 8), (6, "Amazon", 4)],
            {"parent": 2},
            [{"column": "parent", "value": "8"}, {"column": "parent", "value": "9"}],
            id="references into the table itself",
        ),
    ],
)  # fmt: skip
def test_bad_rows_are_counted_and_shown(
    database: duckdb.DuckDBPyConnection,
    table: Table,
    rule: str,
    rows: list[tuple[Any, ...]],
    counts: dict[str, int],
    examples: list[dict[str, Any]] | None,
) -> None:
    _insert(database, {table.name: rows})
    assert _broken(database, _rule(table, rule)) == counts
    if examples is not None:
        assert sorted(_rows(database, _rule(table, rule).examples()), key=str) == sorted(examples, key=str)


def test_several_references_are_one_rule(database: duckdb.DuckDBPyConnection) -> None:
    twice = Table(
        "gold",
        "ratings",
        "Rows.",
        (
            Column("product", "int32", "Product.", references="products.product"),
            Column("customer", "int64", "Products stand in for customers.", references="products.product"),
            Column("note", "string", "Company.", nullable=True, references="products.company"),
        ),
    )  # fmt: skip
    (rule,) = (rule for rule in rules(twice, TABLES) if rule.name == "references")
    assert _rows(database, rule.measure) == [{"product": 0, "customer": 1, "note": 1}]


def test_a_table_without_a_key_shows_whole_rows_and_at_most_five(database: duckdb.DuckDBPyConnection) -> None:
    _insert(database, {"ratings": [(1, 1, 9, "2001-01-01", 1, "x")] * 7})
    found = _rows(database, _rule(RATINGS, "allowed_values").examples())
    assert len(found) == 5
    assert list(found[0]) == [column.name for column in RATINGS.columns]


def test_only_rules_that_the_declaration_calls_for() -> None:
    free = Table("raw", "free", "Rows.", (Column("note", "string", "Anything.", nullable=True),))
    assert rules(free, {}) == ()
    assert [rule.name for rule in rules(PRODUCTS, TABLES)] == ["required", "allowed_values", "unique_key", "references"]
    assert [rule.name for rule in rules(RATINGS, TABLES)] == ["required", "allowed_values", "references"]
    assert [rule.name for rule in rules(MEANS, TABLES)] == ["required", "allowed_values", "unique_key"]


def test_measures_are_counts_by_column_as_int64() -> None:
    required, allowed, unique, references = rules(PRODUCTS, TABLES)
    assert required.measure.columns == ("product", "company")
    assert allowed.measure.columns == ("company",)
    assert unique.measure.columns == ("repeated_keys",)
    assert references.measure.columns == ("parent",)
    assert all(kind.is_int64() for rule in rules(RATINGS, TABLES) for kind in rule.measure.schema().types)


def test_required_and_allowed_values_share_one_scan(database: duckdb.DuckDBPyConnection) -> None:
    _insert(database, {"products": [(None, "x", 99), (2, None, None)]})
    found = rules(PRODUCTS, TABLES)
    scans = merged_measures(found)
    assert len(scans) == len(found) - 1
    assert ibis.to_sql(scans[0], dialect="duckdb").count("FROM") == 1
    counts: dict[str, dict[str, int]] = {}
    for scan in scans:
        counts |= split_counts(_rows(database, scan)[0])
    assert counts == {rule.name: _rows(database, rule.measure)[0] for rule in found}
    assert counts == {
        "required": {"product": 1, "company": 1},
        "allowed_values": {"company": 1},
        "unique_key": {"repeated_keys": 1},
        "references": {"parent": 1},
    }


@pytest.mark.parametrize(
    ("column", "extent", "settled"),
    [
        ("stars", Extent(0, (1, 5)), {"required", "allowed_values"}),
        ("stars", Extent(3, (1, 5)), {"allowed_values"}),
        ("stars", Extent(None, (1, 5)), {"allowed_values"}),
        ("stars", Extent(0, (0, 5)), {"required"}),
        ("stars", Extent(0, (1, 6)), {"required"}),
        ("stars", Extent(0, None), {"required"}),
        ("stars", Extent(0, (date(1995, 1, 1), date(1995, 1, 1))), {"required"}),
        ("customer", Extent(0, (1, 2**62)), {"required", "allowed_values"}),
        ("day", Extent(0, (date(1995, 1, 1), date(2015, 12, 31))), {"required", "allowed_values"}),
        ("day", Extent(0, (date(1994, 12, 31), date(2015, 12, 31))), {"required"}),
        ("day", Extent(0, (date(1995, 1, 1), date(2016, 1, 1))), {"required"}),
        ("day", Extent(0, (1, 5)), {"required"}),
        ("half", Extent(1, (1, 2)), {"allowed_values"}),
        ("half", Extent(1, (1, 3)), set()),
        ("half", Extent(1, (0, 2)), set()),
    ],
)  # fmt: skip
def test_what_extents_show_need_not_be_counted(column: str, extent: Extent, settled: set[str]) -> None:
    found = {rule.name: rule.settled({column: extent}) for rule in rules(RATINGS, TABLES)}
    assert {name for name, columns in found.items() if column in columns} == settled
    assert set().union(*found.values()) <= {column}
    counted = {name for measure in merged_measures(rules(RATINGS, TABLES), found) for name in measure.columns}
    everything = {name for measure in merged_measures(rules(RATINGS, TABLES)) for name in measure.columns}
    assert everything - counted == {f"{name}__{column}" for name in settled}


@pytest.mark.parametrize("bounds", [("Amazon", "Netflix"), ("Amazon", "Amazon"), (1.0, 2.0), None])
def test_texts_and_floats_are_counted_whatever_their_extents(bounds: Any) -> None:
    for name in ("company", "mean", "share"):
        assert not _rule(MEANS, "allowed_values").settled({name: Extent(0, bounds)})
    assert not _rule(PRODUCTS, "allowed_values").settled({"company": Extent(0, bounds)})


def test_nothing_is_scanned_where_all_is_settled() -> None:
    known = {"customer": Extent(0, (1, 9)), "year": Extent(0, (1, 9)), "company": Extent(0, None)}
    settled = {rule.name: rule.settled(known) for rule in rules(MEANS, TABLES)}
    assert settled["required"] == {"company", "year"}
    numbers = Table("gold", "numbers", "One row.", (Column("year", "int32", "Year.", minimum=1),))
    found = rules(numbers, {})
    assert merged_measures(found, {rule.name: rule.settled(known) for rule in found}) == ()


@pytest.mark.parametrize("target", ["nowhere.product", "products.nothing", "products"])
def test_a_reference_to_nothing_declared_is_refused(target: str) -> None:
    wrong = Table("gold", "wrong", "Rows.", (Column("product", "int32", "Product.", references=target),))
    with pytest.raises(ValueError, match=f"gold/wrong: column product refers to {target}, which is not declared"):
        rules(wrong, TABLES)


@pytest.mark.parametrize("dialect", ["duckdb", "mysql", "pyspark", "trino"])
@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_rule_compiles_for_every_engine(table: Table, dialect: str) -> None:
    if dialect == "pyspark":
        assert ibis.pyspark  # loads its options, without which Ibis compiles no float for Spark
    found = rules(table, TABLES)
    for expression in (*(r.measure for r in found), *(r.examples() for r in found), *merged_measures(found)):
        text = ibis.to_sql(expression, dialect=dialect).upper()
        assert "SELECT" in text
        assert "NAN" not in text  # no engine agrees with another on it, and MySQL has no such function
