"""The warehouse in a real server: what arrives, how it is told apart, who may load it, and what is told of faults."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pymysql
import pytest

from ratings_platform.lake.tables import LakeTable
from ratings_platform.schema.errors import PlatformError, SettingsError, TransientError
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.scans import scan_sql
from ratings_platform.schema.tables import Column, Table
from ratings_platform.studies.market_study import tables as t
from ratings_platform.studies.market_study.answers import QUESTIONS
from ratings_platform.studies.market_study.models import GOLD
from ratings_platform.warehouse import mysql_loading
from ratings_platform.warehouse.base import Warehouse
from ratings_platform.warehouse.duckdb import DuckDBWarehouse
from ratings_platform.warehouse.mysql import MySQLWarehouse
from ratings_platform.warehouse.mysql_address import MySQLAddress
from ratings_platform.warehouse.mysql_loading import _tell_of_the_slow_way
from ratings_platform.warehouse.mysql_session import Session, session
from ratings_platform_tests.conftest import Built
from ratings_platform_tests.lake.samples import MARKS, READINGS, put, readings
from ratings_platform_tests.studies.market_study.test_answers import DATA, assert_same, connect, expression, rows_of
from ratings_platform_tests.warehouse.mysql_server import (
    MySQLServer,
    Password,
    content,
    database_of,
    program,
    running,
    tables,
)
from ratings_platform_tests.warehouse.samples import NEW, OLD, as_marks, scan

pytestmark = pytest.mark.integration

MARKS = replace(MARKS, indexes=(("day",), ("stars", "day")))
STAR_SCHEMA = (t.DIM_TIME, t.DIM_PRODUCT, t.FACT_RATING, t.PRODUCT_TOTALS, t.CUSTOMER_TOTALS)


@pytest.fixture
def warehouse(server: MySQLServer) -> MySQLWarehouse:
    return server.new_warehouse()


def test_it_is_a_warehouse(warehouse: MySQLWarehouse) -> None:
    promised: Warehouse = warehouse
    assert promised.kind == "mysql"
    assert promised.uri.startswith("mysql://db_")


# --- loading ----------------------------------------------------------------------------------------------------------


def test_a_table_is_loaded_whole_and_again(warehouse: MySQLWarehouse, tmp_path: Path) -> None:
    assert [warehouse.load(MARKS, scan(tmp_path, OLD)) for _ in range(2)] == [3, 3]
    assert (content(warehouse), warehouse.row_count(MARKS)) == (as_marks(*OLD), 3)
    assert warehouse.load(MARKS, scan(tmp_path, NEW)) == 1
    assert content(warehouse) == as_marks(*NEW)


def test_years_replace_only_themselves(warehouse: MySQLWarehouse, tmp_path: Path) -> None:
    warehouse.load(MARKS, scan(tmp_path, OLD))
    changed = scan(tmp_path, NEW)
    for _ in range(2):
        assert warehouse.load(MARKS, changed.of_years([2002, 2003]), [2002, 2003]) == 1
        assert content(warehouse) == as_marks(OLD[0], NEW[0])


def test_years_can_be_the_first_that_is_loaded(warehouse: MySQLWarehouse, tmp_path: Path) -> None:
    whole = scan(tmp_path, OLD)
    for year in (2002, 2001, 2003):
        warehouse.load(MARKS, whole.of_years([year]), [year])
    assert content(warehouse) == as_marks(*OLD)


def test_other_years_of_a_scan_are_left_alone(warehouse: MySQLWarehouse, tmp_path: Path) -> None:
    assert warehouse.load(MARKS, scan(tmp_path, OLD), [2001]) == 1
    assert content(warehouse) == as_marks(OLD[0])


def test_each_year_is_a_partition(warehouse: MySQLWarehouse, server: MySQLServer, tmp_path: Path) -> None:
    warehouse.load(MARKS, scan(tmp_path, OLD))
    warehouse.load(MARKS, scan(tmp_path, OLD).of_years([1999]), [1999])
    for year, rows in ((1999, 0), (2001, 1), (2002, 1), (2003, 1)):
        assert server.run(f"select count(*) from marks partition (y{year})", database_of(warehouse)) == [(rows,)]


def test_a_table_that_is_not_cut_by_year_is_replaced(
    warehouse: MySQLWarehouse,
    server: MySQLServer,
    tmp_path: Path,
) -> None:
    lake = LakeTable(str(tmp_path), READINGS)
    for rows in (OLD, NEW, []):
        lake.publish(put(lake, rows))
        assert warehouse.load(READINGS, lake.scan()) == len(rows)
        assert warehouse.row_count(READINGS) == len(rows)
    assert tables(server, warehouse) == ["readings"]
    with pytest.raises(ValueError, match="not cut by year"):
        warehouse.load(READINGS, lake.scan(), [2001])


@pytest.mark.parametrize("table", [MARKS, READINGS], ids=["cut", "whole"])
def test_a_table_without_rows_is_there(warehouse: MySQLWarehouse, table: Table) -> None:
    assert warehouse.load(table, Scan(table, "nowhere", ())) == 0
    assert warehouse.row_count(table) == 0


def test_it_knows_its_tables(warehouse: MySQLWarehouse, tmp_path: Path) -> None:
    assert warehouse.columns(MARKS) == {}
    warehouse.load(MARKS, scan(tmp_path, readings([2001], 2000)))
    assert list(warehouse.columns(MARKS)) == ["name", "stars", "day", "year"]
    assert warehouse.columns(MARKS)["name"] == "mediumtext"
    assert warehouse.about(MARKS)["bytes"] == warehouse.size(MARKS) > 50_000
    ddl = warehouse.ddl(MARKS)
    for words in ("PARTITION BY LIST", "`by_stars_day` (`stars`,`day`)", "COMMENT 'Who; it''s \"quoted\".'"):
        assert words in ddl
    assert "COMMENT='One row per mark; it''s \"by year\".'" in ddl


def test_questions_have_the_types_of_the_expression(warehouse: MySQLWarehouse, tmp_path: Path) -> None:
    warehouse.load(MARKS, scan(tmp_path, OLD))
    rows = MARKS.unbound()
    asked = rows.aggregate(
        n=rows.count(), sum=rows.stars.sum(), mean=rows.stars.cast("float64").mean(), high=rows.stars.max() > 2,
        last=rows.day.max(), none=rows.name.max().nullif(rows.name.max()),
    )  # fmt: skip
    found = warehouse.rows(asked)
    assert [str(kind) for kind in found.schema.types] == ["int64", "int64", "double", "bool", "date32[day]", "string"]
    assert found.to_pylist() == [{"n": 3, "sum": 6, "mean": 2.0, "high": True, "last": date(2003, 5, 1), "none": None}]
    assert warehouse.rows(rows.filter(rows.stars > 9)).schema == MARKS.arrow_schema
    assert warehouse.query("select sum(stars) as s, sum(stars) / 4 as q from marks").to_pylist() == [{"s": 6, "q": 1.5}]


def test_one_connection_serves_a_block(warehouse: MySQLWarehouse, server: MySQLServer, tmp_path: Path) -> None:
    with warehouse.kept_open():
        warehouse.load(MARKS, scan(tmp_path, OLD))
        numbers = {warehouse.query("select connection_id() as id")["id"][0].as_py() for _ in range(3)}
        assert warehouse.load(MARKS, scan(tmp_path, NEW)) == 1
    assert len(numbers) == 1
    assert warehouse.query("select connection_id() as id")["id"][0].as_py() not in numbers
    with warehouse.kept_open(read_only=True), pytest.raises(TransientError, match="READ ONLY"):
        warehouse.load(MARKS, scan(tmp_path, OLD))
    assert content(warehouse) == as_marks(*NEW)
    assert server.run("show processlist") != []


# --- values -----------------------------------------------------------------------------------------------------------

VALUES = Table(
    "gold",
    "values",
    "One row per value, `quoted` and 'quoted' \\ and %s.",
    (
        Column("id", "int32", "The key: 100 % of it."),
        Column("word", "string", "A short text.", nullable=True, allowed=("a", "b")),
        Column("text", "string", "A text; it's \\ awkward.", nullable=True),
        Column('the `50%` "share"', "float64", "A number.", nullable=True),
        Column("price", "decimal(10, 2)", "A number.", nullable=True),
        Column("at", "timestamp(6)", "A moment.", nullable=True),
        Column("day", "date", "A day.", nullable=True),
        Column("yes", "boolean", "A yes or no.", nullable=True),
        Column("big", "int64", "A number.", nullable=True),
        Column("small", "int8", "A number.", nullable=True),
    ),
    key=("id",),
)
TEXTS = (
    None, "", " ", "NULL", "null", "\\N", "\\", "\\\\", "\\'", "'", '"', '""', '","', 'a"b', '"quoted"', "a,b", ",",
    "tab\there", "line\nfeed", "\n", "\r", "carriage\rreturn", "\r\n", "ends with \\", 'ends with "', "\\n", "\\0",
    "nul\0inside", "Łódź", "日本", "🎬", "👩‍👩‍👧", "e\u0301", "\u00e9", "a", "a ", "a  ", "A", "Épée", "epee", "ß",
    "ss", "%s %d 100%", "{}", "-- remark", "/* */", ";", "`", "x" * 60_000, "🎬" * 60_000, "\u200b", "\ufeff", "\x1a",
    "\x7f",
)  # fmt: skip


def values_scan(folder: Path, rows: list[dict[str, Any]]) -> Scan:
    """A scan of rows that a lake table of VALUES holds."""
    folder.mkdir(parents=True, exist_ok=True)
    found = pa.Table.from_pylist(rows, schema=VALUES.arrow_schema)
    pq.write_table(found, folder / "values.parquet")
    return Scan(VALUES, str(folder), (DataFile("values.parquet", found.num_rows, 1),))


_moment = datetime.fromisoformat


def awkward() -> list[dict[str, Any]]:
    rows = [dict.fromkeys(c.name for c in VALUES.columns) | {"id": n, "text": x} for n, x in enumerate(TEXTS)]
    rows += [dict(r, id=n, word=r["text"][:255]) for n, r in enumerate(rows, 1000) if r["text"]]
    numbers = [
        (1e-300, "-99999999.99", _moment("2001-02-03 04:05:06.123456"), date.min, True, 2**63 - 1, 127),
        (0.1 + 0.2, "0.01", _moment("1970-01-01"), date.max, False, -(2**63), -128),
        (-1.7976931348623157e308, "0", _moment("9999-12-31 23:59:59.999999"), date(2004, 2, 29), None, 0, 0),
    ]
    names = [c.name for c in VALUES.columns]
    for n, (share, price, *others) in enumerate(numbers, 2000):
        rows.append(dict(zip(names, (n, None, None, share, Decimal(price), *others), strict=True)))
    return rows


@pytest.fixture(params=[True, False], ids=["streamed", "inserted"])
def local_infile(request: pytest.FixtureRequest, server: MySQLServer) -> Iterator[bool]:
    server.run(f"set global local_infile = {int(request.param)}")
    yield request.param
    server.run("set global local_infile = 1")


def test_every_value_arrives_unchanged(
    warehouse: MySQLWarehouse, tmp_path: Path, local_infile: bool, caplog: pytest.LogCaptureFixture
) -> None:
    rows = awkward()
    _tell_of_the_slow_way.cache_clear()
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert warehouse.load(VALUES, values_scan(tmp_path, rows)) == len(rows)
    assert caplog.text.count("SET GLOBAL local_infile=1") == (0 if local_infile else 1)
    found = warehouse.rows(VALUES.unbound().order_by("id"))
    want = pa.Table.from_pylist(sorted(rows, key=lambda row: row["id"]), schema=VALUES.arrow_schema)
    for name in want.column_names:
        assert found[name].to_pylist() == want[name].to_pylist(), name


def test_texts_are_told_apart_byte_by_byte(warehouse: MySQLWarehouse, tmp_path: Path) -> None:
    rows = [row for row in awkward() if row["id"] >= 1000]
    warehouse.load(VALUES, values_scan(tmp_path, rows))
    for column in ("word", "text"):
        different = len({row[column] for row in rows if row[column] is not None})
        quoted = VALUES.unbound()[column].nunique().name("n")
        assert warehouse.rows(quoted.as_table())["n"][0].as_py() == different
    assert warehouse.rows(VALUES.unbound().filter(ibis._.text == "a").select("text")).num_rows == 1
    assert warehouse.query("select id from `values` where word in ('epee', 'a ')").num_rows == 2
    ordered = warehouse.rows(VALUES.unbound().filter(ibis._.text.notnull()).order_by("text").select("text"))
    # Servers sort by the first 1024 bytes of a text.
    short = [text for text in ordered["text"].to_pylist() if len(text) < 200]
    assert short == sorted(short)


def test_keys_differ_byte_by_byte(warehouse: MySQLWarehouse, tmp_path: Path) -> None:
    keyed = replace(VALUES, key=("word",))
    rows = [
        {"id": n, "word": word, "text": ""}
        for n, word in enumerate(["a", "a ", "A", "é", "e", "e\u0301", "É", "", " "])
    ]
    assert warehouse.load(keyed, replace(values_scan(tmp_path, rows), table=keyed)) == len(rows)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"word": "x" * 256}, "word"),
        ({"id": None}, "id"),
        ({"id": 1}, "Duplicate entry"),
        ({'the `50%` "share"': float("nan")}, "share"),
        ({'the `50%` "share"': float("inf")}, "share"),
    ],
    ids=["too long", "missing", "twice", "no number", "infinite"],
)
def test_a_value_that_would_be_cut_or_changed_is_refused(
    warehouse: MySQLWarehouse,
    server: MySQLServer,
    tmp_path: Path,
    local_infile: bool,
    wrong: dict[str, Any],
    told: str,
) -> None:
    good = [{"id": n, "word": "a", "text": ""} for n in (1, 2)]
    warehouse.load(VALUES, values_scan(tmp_path, good))
    # The client itself refuses to write what is no number, before the server names a column.
    with pytest.raises(PlatformError, match=told if local_infile else f"{told}|can not be used") as caught:
        warehouse.load(VALUES, values_scan(tmp_path, [*good, {"id": 3, "word": None, "text": None} | wrong]))
    assert "Nothing was published" in str(caught.value)
    assert warehouse.rows(VALUES.unbound().order_by("id"))["id"].to_pylist() == [1, 2]
    assert tables(server, warehouse) == ["values"]


def test_more_rows_than_were_sent_are_refused(
    warehouse: MySQLWarehouse, server: MySQLServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = scan(tmp_path, [row for row in OLD if row[2].year == 2001] * 2)
    fewer = replace(found, files=tuple(replace(file, rows=1) for file in found.files))
    write = mysql_loading._write_csv
    monkeypatch.setattr(mysql_loading, "_write_csv", lambda *arguments: write(*arguments) - 1)
    with pytest.raises(PlatformError, match=r"2 of 1 rows arrived in table marks__2001 \(1 were sent\)"):
        warehouse.load(MARKS, fewer)
    assert warehouse.row_count(MARKS) == 0


@pytest.mark.parametrize("years", [(2001,), (2001, 2002, 2003)])
def test_loaders_of_years_share_the_memory(
    warehouse: MySQLWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, years: tuple[int, ...]
) -> None:
    given = []
    lake = mysql_loading._lake

    def seen(scan: Scan, memory_limit: str) -> Any:
        given.append(memory_limit)
        return lake(scan, memory_limit)

    monkeypatch.setattr(mysql_loading, "_lake", seen)
    assert warehouse.load(MARKS, scan(tmp_path, OLD).of_years(years), years) == len(years)
    assert given == (["500.0MB"] if len(years) == 1 else ["250.0MB"] * 3)


def test_a_whole_table_gets_its_indexes_after_its_rows(
    warehouse: MySQLWarehouse, server: MySQLServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexed = replace(READINGS, indexes=(("day",),))
    lake = LakeTable(str(tmp_path), indexed)
    lake.publish(put(lake, OLD))
    load, seen = mysql_loading.load_rows, []

    def watched(opened: Session, into: str, *others: Any) -> int:
        seen.append(server.run(f"show index from {into}", database_of(warehouse)))
        return load(opened, into, *others)

    monkeypatch.setattr("ratings_platform.warehouse.mysql.load_rows", watched)
    for _ in range(2):
        warehouse.load(indexed, lake.scan())
    assert seen == [(), ()] or seen == [[], []]
    assert "KEY `by_day` (`day`)" in warehouse.ddl(indexed)


@pytest.mark.parametrize("years", [None, [2001]], ids=["whole", "year"])
@pytest.mark.parametrize("fault", ["fewer rows", "no file", "torn file"])
def test_a_lake_that_cannot_be_read_whole_publishes_nothing(
    warehouse: MySQLWarehouse, tmp_path: Path, years: list[int] | None, fault: str, local_infile: bool
) -> None:
    warehouse.load(MARKS, scan(tmp_path / "old", OLD))
    broken = scan(tmp_path / "new", readings([2001], 200_000 if local_infile else 2000))
    file = Path(broken.paths[0])
    if fault == "fewer rows":
        broken = replace(broken, files=tuple(replace(f, rows=f.rows + 1) for f in broken.files))
    elif fault == "no file":
        file.unlink()
    else:  # the end, which tells where things are, is there
        data = bytearray(file.read_bytes())
        data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
        file.write_bytes(data)
    with pytest.raises(PlatformError, match=r"rows arrived|could not be read"):
        warehouse.load(MARKS, broken, years)
    # The whole table is swapped year by year: those that hold nothing any more may be gone.
    gone = {2002, 2003} if years is None else set()
    assert [row for row in content(warehouse) if row[3] not in gone] == as_marks(
        *[o for o in OLD if o[2].year not in gone]
    )


# --- other hands ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("drop column stars", "column stars is missing"),
        ("add column extra int", r"column extra is int(\(11\))?, declared nowhere"),
        (
            "modify stars int not null",
            r"column stars is int(\(11\))? not null, declared tinyint(\(4\))? not null",
        ),
        ("modify name mediumtext character set utf8mb3", "column name"),
        ("modify name mediumtext collate utf8mb4_general_ci", "column name"),
        ("modify stars tinyint null", "column stars"),
        ("modify stars tinyint not null after day", "order of its columns"),
        ("add index mine (stars)", "index mine"),
        ("remove partitioning", "partitioning is none, declared LIST of year"),
        ("row_format=compact", "row format"),
    ],
)
def test_a_table_changed_by_hand_is_told_and_left_alone(
    warehouse: MySQLWarehouse,
    server: MySQLServer,
    tmp_path: Path,
    change: str,
    told: str,
) -> None:
    warehouse.load(MARKS, scan(tmp_path, OLD))
    server.run(f"alter table marks {change}", database_of(warehouse))
    before = warehouse.ddl(MARKS), warehouse.query("select day from marks order by day")
    for years in (None, [2001]):
        with pytest.raises(PlatformError, match=rf"marks is not as declared: .*{told}.*rename the table") as caught:
            warehouse.load(MARKS, scan(tmp_path, NEW), years)
        assert "\n" not in str(caught.value)
    assert (warehouse.ddl(MARKS), warehouse.query("select day from marks order by day")) == before
    assert tables(server, warehouse) == ["marks"]


def test_a_whole_table_changed_by_hand_is_left_alone_too(
    warehouse: MySQLWarehouse,
    server: MySQLServer,
    tmp_path: Path,
) -> None:
    lake = LakeTable(str(tmp_path), READINGS)
    lake.publish(put(lake, OLD))
    warehouse.load(READINGS, lake.scan())
    server.run("alter table readings add column note text", database_of(warehouse))
    with pytest.raises(PlatformError, match=r"not as declared: column note is text .*declared nowhere"):
        warehouse.load(READINGS, lake.scan())
    assert "note" in warehouse.columns(READINGS)
    assert tables(server, warehouse) == ["readings"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("alter table marks add constraint few check (stars < 9)", "constraint few is CHECK"),
        ("create trigger ours before insert on marks for each row set new.stars = 1", "trigger ours is BEFORE INSERT"),
    ],
    ids=["check", "trigger"],
)
@pytest.mark.parametrize("table", [MARKS, READINGS], ids=["cut", "whole"])
def test_what_was_hung_onto_a_table_is_told_and_kept(
    warehouse: MySQLWarehouse, server: MySQLServer, tmp_path: Path, table: Table, change: str, told: str
) -> None:
    lake = LakeTable(str(tmp_path), table)
    lake.publish(put(lake, OLD))
    warehouse.load(table, lake.scan())
    server.run(change.replace("marks", table.name), database_of(warehouse))
    with pytest.raises(PlatformError, match=f"{table.name} is not as declared: {told}, declared nowhere"):
        warehouse.load(table, lake.scan())
    assert tables(server, warehouse) == [table.name]


def test_foreign_keys_are_told_at_both_ends_before_anything_is_loaded(
    warehouse: MySQLWarehouse, server: MySQLServer, tmp_path: Path
) -> None:
    name = database_of(warehouse)
    other = replace(VALUES, name="others")
    rows = [{"id": n, "word": "a", "text": ""} for n in (1, 2)]
    for table in (VALUES, other):
        warehouse.load(table, replace(values_scan(tmp_path, rows), table=table))
    server.run("alter table others add constraint known foreign key (id) references `values` (id)", name)
    for table, told in ((VALUES, "known of table others is FOREIGN KEY to it"), (other, "known is FOREIGN KEY")):
        with pytest.raises(PlatformError, match=f"not as declared: constraint {told}, declared nowhere"):
            warehouse.load(table, replace(values_scan(tmp_path, rows[:1]), table=table))
        assert warehouse.row_count(table) == 2
    assert tables(server, warehouse) == ["others", "values"]


def test_a_leftover_that_others_refer_to_is_told(
    warehouse: MySQLWarehouse, server: MySQLServer, tmp_path: Path
) -> None:
    name = database_of(warehouse)
    server.run("create table marks__old (id int primary key)", name)
    server.run("create table theirs (id int, foreign key (id) references marks__old (id))", name)
    with pytest.raises(PlatformError, match=r"error (1451|3730)\)\. Drop the foreign key"):
        warehouse.load(MARKS, scan(tmp_path, OLD))


def test_tables_of_others_are_not_taken_for_leftovers(
    warehouse: MySQLWarehouse,
    server: MySQLServer,
    tmp_path: Path,
) -> None:
    others = ["marks__backup", "marks_2001", "marks__new__x", "xmarks__new"]
    for name in (*others, "marks__new", "marks__old", "marks__2001"):
        server.run(f"create table {name} (n int)", database_of(warehouse))
    warehouse.load(MARKS, scan(tmp_path, OLD))
    assert tables(server, warehouse) == sorted([*others, "marks"])


# --- rights, faults, secrets ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("privilege", ["SELECT", "INSERT", "CREATE", "DROP", "ALTER"])
def test_each_listed_privilege_is_needed_and_its_lack_told(
    server: MySQLServer,
    tmp_path: Path,
    privilege: str,
) -> None:
    """All other tests prove that these suffice: their users have nothing else."""
    warehouse = server.new_warehouse()
    warehouse.load(MARKS, scan(tmp_path, OLD))
    name = database_of(warehouse)
    server.run(f"revoke {privilege} on {name}.* from '{name}'@'%'")
    use = content if privilege == "SELECT" else lambda warehouse: warehouse.load(MARKS, scan(tmp_path, NEW))
    with pytest.raises(PlatformError, match=r"error 1(142|044)\)\. Grant SELECT, INSERT, UPDATE, CREATE, DROP"):
        use(warehouse)
    server.run(f"grant {privilege} on {name}.* to '{name}'@'%'")
    assert content(warehouse) == as_marks(*OLD)
    warehouse.load(MARKS, scan(tmp_path, NEW))
    assert content(warehouse) == as_marks(*NEW)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"user": "nobody"}, r"\(error (1045|1698)\)\. .*RATINGS_WAREHOUSE_PASSWORD"),
        ({"database": "nowhere"}, r"error (1044|1049)"),
        ({"ssl": "required"}, r"error 2026\)\. Switch on TLS"),
        ({"ssl_ca": "/nowhere/ca.pem"}, r"TLS files cannot be used: /nowhere/ca\.pem"),
        ({"host": "no.such.host.invalid"}, "host is not known"),
    ],
    ids=["user", "database", "no TLS", "no file", "host"],
)
def test_what_a_person_has_to_mend_is_told(server: MySQLServer, change: dict[str, Any], told: str) -> None:
    address, password = server.new_address()
    with pytest.raises(PlatformError, match=told) as caught:
        MySQLWarehouse(replace(address, **change), password, "500MB").row_count(MARKS)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith("mysql://")
    assert password.text not in str(caught.value)


def test_a_database_that_is_not_there_sends_one_to_the_setting_first(server: MySQLServer) -> None:
    address, password = server.new_address()
    with pytest.raises(PlatformError, match=r"error 1044\)\. Check the name of the database in RATINGS_WAREHOUSE\. If"):
        MySQLWarehouse(replace(address, database="typo"), password, "500MB").row_count(MARKS)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("account lock", r"error (4151|3118)\)\. Unlock it"),
        ("password expire", r"error (1820|1862)\)\. Give the user a new password"),
    ],
)
def test_a_user_who_may_not_log_in_any_more_is_told(server: MySQLServer, change: str, told: str) -> None:
    address, password = server.new_address()
    server.run(f"alter user '{address.user}'@'%' {change}")
    with pytest.raises(PlatformError, match=told):
        MySQLWarehouse(address, password, "500MB").row_count(MARKS)


def test_a_password_may_hold_any_letters(server: MySQLServer) -> None:
    address, _ = server.new_address()
    password = "p'\"w%ö€🎬"  # noqa: S105
    quoted = password.replace("'", "''")
    server.run(f"alter user '{address.user}'@'%' identified by '{quoted}'")
    with session(address, lambda: password) as opened:
        assert opened.value("select 1") == 1


def test_a_limit_by_the_hour_may_pass(server: MySQLServer) -> None:
    address, password = server.new_address()
    server.run(f"alter user '{address.user}'@'%' with max_queries_per_hour 2")
    with pytest.raises(TransientError, match="error 1226"):
        MySQLWarehouse(address, password, "500MB").row_count(MARKS)


def test_a_server_gets_no_file_of_its_own_choosing(server: MySQLServer, tmp_path: Path) -> None:
    address, password = server.new_address()
    secret = tmp_path / "secret"
    secret.write_text("secret\n")
    server.run("create table stolen (line text)", address.database)
    with (
        pytest.raises(PlatformError, match=rf"asked for the file '{secret}' of this machine; nothing was sent"),
        session(address, password, local_infile=True) as opened,
    ):
        # What a server may answer to any statement, when it means harm, this one answers when it is asked to.
        opened.execute(f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE stolen")
    assert server.run("select * from stolen", address.database) == []


def test_a_wrong_password_is_told_but_not_repeated(server: MySQLServer) -> None:
    address, _ = server.new_address()
    with pytest.raises(PlatformError, match=r"\(error 1045\)\. Check user and password") as caught:
        MySQLWarehouse(address, Password("wrong-secret"), "500MB").row_count(MARKS)
    assert "wrong-secret" not in str(caught.value)


def test_a_warehouse_that_was_never_loaded_cannot_be_asked(warehouse: MySQLWarehouse) -> None:
    with pytest.raises(PlatformError, match=r"error 1146\)\. Load the warehouse first: ratings-platform run"):
        warehouse.row_count(MARKS)


def test_nobody_there_may_pass(own_server: MySQLServer, tmp_path: Path) -> None:
    warehouse = own_server.new_warehouse()
    own_server.stop()
    with pytest.raises(TransientError, match=r"mysql://db_1@127\.0\.0\.1:\d+/db_1: .*\(error 2003\)"):
        warehouse.load(MARKS, scan(tmp_path, OLD))
    own_server.start()
    assert warehouse.load(MARKS, scan(tmp_path, OLD)) == 3


def test_a_table_that_others_keep_in_use_may_pass(
    warehouse: MySQLWarehouse,
    server: MySQLServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "ratings_platform.warehouse.mysql_session._SETTINGS",
        "set session lock_wait_timeout = 1, sql_mode = 'STRICT_ALL_TABLES'",
    )
    warehouse.load(MARKS, scan(tmp_path, OLD))
    with server.connect(database_of(warehouse)) as reader:
        reader.begin()
        reader.cursor().execute("select * from marks")
        with pytest.raises(TransientError, match=r"\(error 1205\)"):
            warehouse.load(MARKS, scan(tmp_path, NEW).of_years([2002]), [2002])
    assert content(warehouse) == as_marks(*OLD)
    warehouse.load(MARKS, scan(tmp_path, NEW).of_years([2002]), [2002])
    assert tables(server, warehouse) == ["marks"]


def test_too_many_connections_may_pass(own_server: MySQLServer) -> None:
    warehouse = own_server.new_warehouse()
    own_server.run("set global max_connections = 10")
    address, password = own_server.new_address()
    taken = []
    try:
        for _ in range(10):
            taken.append(
                pymysql.connect(host=address.host, port=address.port, user=address.user, password=password.text)
            )
        with pytest.raises(TransientError, match="error 1040"):
            warehouse.columns(MARKS)
    finally:
        for connection in taken:
            connection.close()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    for name in ("server", "other"):
        command = [program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}.test"]
        command += ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
        subprocess.run(command, check=True, capture_output=True)
    return folder


def test_tls_is_as_the_address_says(certificates: Path) -> None:
    with running(f"--ssl-cert={certificates / 'server.pem'}", f"--ssl-key={certificates / 'server.key'}") as secure:
        address, password = secure.new_address()

        def cipher(**options: Any) -> str:
            found = MySQLWarehouse(replace(address, **options), password, "500MB")
            return found.query("show session status like 'Ssl_cipher'")["Value"][0].as_py()

        assert cipher(ssl="disabled") == ""
        assert cipher() != ""
        assert cipher(ssl="required") != ""
        assert cipher(ssl_ca=str(certificates / "server.pem")) != ""
        for options in (
            {"ssl_ca": str(certificates / "other.pem")},
            {"ssl": "verify-ca"},
            {"ssl": "verify-identity", "ssl_ca": str(certificates / "server.pem")},
        ):
            with pytest.raises(PlatformError, match="TLS certificate is not accepted"):
                cipher(**options)


def test_the_password_shows_nowhere(
    server: MySQLServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    address, password = server.new_address()
    asked = []

    def ask() -> str:
        asked.append(True)
        return password.text

    warehouse = MySQLWarehouse(address, ask, "500MB")
    assert not asked
    seen: list[str] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    seen.append(place.read_bytes().decode(errors="replace"))
                except OSError:
                    continue
            time.sleep(0.02)

    watcher = threading.Thread(target=watch)
    watcher.start()
    with caplog.at_level(logging.DEBUG):
        warehouse.load(MARKS, scan(tmp_path, readings([2001, 2002], 20_000)))
    done.set()
    watcher.join()
    assert asked
    assert any("pytest" in line for line in seen)
    texts = [caplog.text, repr(warehouse), repr(vars(warehouse)), repr(address), warehouse.uri, str(os.environ), *seen]
    assert not [text for text in texts if password.text in text]


# --- addresses --------------------------------------------------------------------------------------------------------


def test_an_address_is_read_whole() -> None:
    url = "mysql://me%40home@db.test:3307/star%20s?ssl=verify-identity&ssl_ca=/ca.pem&connect_timeout=3&read_timeout=9"
    found = MySQLAddress.parse(url)
    want = MySQLAddress(
        "db.test", "me@home", "star s", 3307, ssl="verify-identity", ssl_ca="/ca.pem", connect_timeout=3, read_timeout=9
    )
    assert found == want
    assert found.uri == "mysql://me%40home@db.test:3307/star%20s"
    assert MySQLAddress.parse("mysql://me@[::1]/db").uri == "mysql://me@[::1]:3306/db"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("mysql://me:hunter2@h/db", "holds a password.*RATINGS_WAREHOUSE_PASSWORD"),
        ("mysql://me:@h/db", "holds a password"),
        ("mysql://me@h/db?password=hunter2", "password does not belong"),
        ("postgres://me@h/db", "does not start with mysql://"),
        ("mysql:me@h/db", "missing"),
        ("mysql://h/db", "missing"),
        ("mysql://me@/db", "missing"),
        ("mysql://me@h", "missing"),
        ("mysql://me@h/", "missing"),
        ("mysql://me@h/a/b", "missing"),
        ("mysql://me@h/db#x", "follows"),
        ("mysql://me@h:port/db", "port or host"),
        ("mysql://me@h:99999/db", "port or host"),
        ("mysql://me@[::1/db", "port or host"),
        ("mysql://me@h/db?ssl=maybe", "ssl is one of disabled, preferred, required"),
        ("mysql://me@h/db?ssl=disabled&ssl_ca=x", "does not go with a certificate"),
        ("mysql://me@h/db?timeout=3", "option timeout is not known; known are ssl, "),
        ("mysql://me@h/db?ssl_ca=x&hunter2", "option 2 is not known; known are ssl, "),
        ("mysql://me@h/db?hunter2=x", "option 1 is not known; known are ssl, "),
        ("mysql://me@h/db?connect_timeout=soon", "not a number of seconds"),
        ("mysql://me@h/db?connect_timeout=0", "not a number of seconds"),
        ("mysql://me@h/db?ssl=required&ssl=disabled", "given twice"),
        ("mysql://me@h/db?ssl_ca=", "is empty"),
    ],
)
def test_an_address_that_makes_no_sense_is_told_in_one_line(url: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as caught:
        MySQLAddress.parse(url)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


# --- answers ----------------------------------------------------------------------------------------------------------


def star_schema(folder: Path, con: ibis.BaseBackend) -> dict[str, Scan]:
    """Scans of the star schema's tables as they are in a DuckDB."""
    return {
        table.name: scan_of_rows(table, con.to_pyarrow(con.table(table.name)), folder / table.name)
        for table in STAR_SCHEMA
    }


def scan_of_rows(table: Table, found: pa.Table, where: Path) -> Scan:
    """Rows of a table in files as the lake would have them: one, or one for each year."""
    if table.partition_by is None:
        where.mkdir(parents=True)
        pq.write_table(found, where / "data.parquet")
        return Scan(table, str(where), (DataFile("data.parquet", found.num_rows, 1),))
    files = []
    for year in sorted(set(found["year"].to_pylist())):
        rows = found.filter(pa.compute.equal(found["year"], year))
        (where / f"year={year}").mkdir(parents=True)
        pq.write_table(rows, where / f"year={year}" / "data.parquet")
        files.append(DataFile(f"year={year}/data.parquet", rows.num_rows, 1, year=year))
    return Scan(table, str(where), tuple(files))


@pytest.mark.parametrize("case", DATA)
def test_the_answers_are_those_of_duckdb(server: MySQLServer, tmp_path: Path, case: str) -> None:
    con, warehouse = connect(*DATA[case]), server.new_warehouse()
    for name, found in star_schema(tmp_path, con).items():
        warehouse.load(found.table, found)
        assert warehouse.row_count(found.table) == con.table(name).count().execute()
    with warehouse.kept_open(read_only=True):
        for question in QUESTIONS:
            asked = warehouse.rows(expression(question))
            assert_same([tuple(row.values()) for row in asked.to_pylist()], rows_of(con, question))
            assert asked.schema.equals(question.table.arrow_schema), question.table.name


def test_the_answers_over_a_sample_are_those_of_duckdb(server: MySQLServer, built: Built, tmp_path: Path) -> None:
    """Vendor files as they come, through all layers, into both warehouses."""
    warehouses = server.new_warehouse(), DuckDBWarehouse(tmp_path / "w.duckdb", "500MB")
    for table in STAR_SCHEMA:
        found = LakeTable(str(built.home / "lake"), table).scan()
        assert [warehouse.load(table, found) for warehouse in warehouses] == [found.rows] * 2
        assert warehouses[0].row_count(table) == found.rows > 0
    every = {table.name: table for table in t.GOLD}
    empty = set()
    for question in QUESTIONS:
        expr = question.expression(every, {"bayesian_weight": 100.0})
        one, other = (warehouse.rows(expr).to_pylist() for warehouse in warehouses)
        empty |= {question.table.name} if not one else set()
        assert_same([tuple(row.values()) for row in one], [tuple(row.values()) for row in other])
    assert empty <= {"i4_loved_on_last_day", "i5_least_loved_of_these"}


def test_the_totals_can_be_counted_in_the_warehouse(server: MySQLServer, tmp_path: Path) -> None:
    """Models run there too, so that what was loaded can be proved where it is."""
    con, warehouse = connect(*DATA["many products"]), server.new_warehouse()
    for found in star_schema(tmp_path, con).values():
        warehouse.load(found.table, found)
    every = {table.name: table for table in t.GOLD}
    totals = next(m for m in GOLD if m.table is t.PRODUCT_TOTALS).expression(every, {})
    facts = t.FACT_RATING.unbound().join(t.DIM_PRODUCT.unbound(), "product_key")
    customers = facts.group_by("company", "customer_id").agg(ratings=facts.count())
    for expr, stored in ((totals, t.PRODUCT_TOTALS), (customers, t.CUSTOMER_TOTALS)):
        found = warehouse.rows(expr).to_pylist()
        assert sorted(map(str, found)) == sorted(map(str, con.to_pyarrow(expr).to_pylist()))
        assert sorted(map(str, found)) == sorted(map(str, warehouse.rows(stored.unbound()).to_pylist()))


def test_scans_are_read_as_duckdb_reads_them(warehouse: MySQLWarehouse, tmp_path: Path) -> None:
    found = scan(tmp_path, readings([2001, 2002, 2003], 5000))
    warehouse.load(MARKS, found)
    want = duckdb.sql(f"select name, stars, day, year from ({scan_sql(found)})").fetchall()
    assert content(warehouse) == sorted(want, key=lambda row: (row[2], str(row[0]), row[1]))
