"""Dumps restored into a real server by its command line client: what arrives, and what the questions then answer."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ratings_platform.answering import answers
from ratings_platform.settings import load_settings
from ratings_platform.studies.market_study import tables as t
from ratings_platform.studies.market_study.study import STUDY
from ratings_platform.warehouse.mysql import MySQLWarehouse
from ratings_platform.warehouse.mysql_dump import dump
from ratings_platform_tests.conftest import Built, environment
from ratings_platform_tests.lake.samples import MARKS
from ratings_platform_tests.studies.market_study.test_answers import assert_same
from ratings_platform_tests.warehouse.mysql_server import MySQLServer, content, database_of, program, tables
from ratings_platform_tests.warehouse.samples import OLD, as_marks
from ratings_platform_tests.warehouse.test_mysql import VALUES, awkward

pytestmark = pytest.mark.integration

QUERIES = Path(__file__).parents[2] / "docs" / "sql" / "mysql"
SAMPLE = QUERIES / "warehouse_sample.sql"
_READ: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("int8", "int16", "int32", "int64"), lambda word: int(Decimal(word))),
    "double": float,
    "bool": lambda word: bool(int(word)),
    "date32[day]": date.fromisoformat,
}


def restore(server: MySQLServer, text: bytes, warehouse: MySQLWarehouse) -> str:
    """What the client says of it."""
    command = [program("mariadb", "mysql"), "--no-defaults", "--user=root", f"--socket={server.folder / 's'}"]
    done = subprocess.run([*command, database_of(warehouse)], input=text, capture_output=True, check=False)
    return done.stderr.decode()


def asked(server: MySQLServer, text: str, like: pa.Table, warehouse: MySQLWarehouse) -> list[tuple[Any, ...]]:
    """What the client prints for a question, as rows of the types of another answer to it."""
    command = [program("mariadb", "mysql"), "--no-defaults", "--user=root", f"--socket={server.folder / 's'}"]
    command += ["--batch", "--skip-column-names", "--default-character-set=utf8mb4", database_of(warehouse)]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    read = [_READ.get(str(kind), str) for kind in like.schema.types]
    lines = [line.split("\t") for line in done.stdout.decode().splitlines()]
    return [
        tuple(None if word == "NULL" else convert(word) for convert, word in zip(read, line, strict=True))
        for line in lines
    ]


def test_the_questions_have_the_same_rows_in_a_restored_sample(
    server: MySQLServer, built: Built, tmp_path: Path
) -> None:
    warehouse = server.new_warehouse()
    assert restore(server, SAMPLE.read_bytes(), warehouse) == ""
    assert tables(server, warehouse) == sorted(STUDY.warehouse)
    with environment(tmp_path, home=built.home):
        lake = answers(STUDY, load_settings())
    files = {file.stem: file for file in QUERIES.iterdir() if file != SAMPLE}
    assert sorted(files) == sorted(lake)
    for name, file in files.items():
        text, want = file.read_text(encoding="utf-8"), [tuple(row.values()) for row in lake[name].to_pylist()]
        found = warehouse.query(text.strip().removesuffix(";")).to_pylist()
        assert_same([tuple(row.values()) for row in found], want)
        # Whoever restores the sample asks it in the server's own mode.
        assert_same(asked(server, text, lake[name], warehouse), want)


def test_a_sample_that_is_there_already_is_left_alone(server: MySQLServer) -> None:
    warehouse = server.new_warehouse()
    restore(server, SAMPLE.read_bytes(), warehouse)
    server.run("delete from fact_rating", database_of(warehouse))
    assert "Table 'dim_time' already exists" in restore(server, SAMPLE.read_bytes(), warehouse)
    assert warehouse.row_count(t.FACT_RATING) == 0


def test_every_value_survives(server: MySQLServer) -> None:
    rows = sorted(awkward(), key=lambda row: row["id"])
    found = pa.Table.from_pylist(rows, schema=VALUES.arrow_schema)
    texts = ["".join(dump({VALUES: found}, "values")) for _ in range(2)]
    assert texts[0] == texts[1]
    assert "collation utf8mb4_bin pads with spaces" in texts[0].split("CREATE TABLE")[0]
    warehouse = server.new_warehouse()
    # Whatever the server's own mode and character set are.
    assert (
        restore(server, b"SET NAMES latin1; SET sql_mode = 'NO_BACKSLASH_ESCAPES';" + texts[0].encode(), warehouse)
        == ""
    )
    arrived = warehouse.rows(VALUES.unbound().order_by("id"))
    for name in found.column_names:
        assert arrived[name].to_pylist() == found[name].to_pylist(), name


def test_partitions_and_indexes_are_as_declared(server: MySQLServer) -> None:
    marks = replace(MARKS, indexes=(("day",),))
    rows = [dict(zip(marks.arrow_schema.names, row, strict=True)) for row in as_marks(*OLD)]
    warehouse = server.new_warehouse()
    assert (
        restore(server, "".join(dump({marks: pa.Table.from_pylist(rows, marks.arrow_schema)}, "m")).encode(), warehouse)
        == ""
    )
    assert content(warehouse) == as_marks(*OLD)
    assert "KEY `by_day` (`day`)" in warehouse.ddl(marks)
    assert server.run("select count(*) from marks partition (y2002)", database_of(warehouse)) == [(1,)]
    assert server.run(
        "select distinct table_collation from information_schema.tables where table_name = 'marks'"
        f" and table_schema = '{database_of(warehouse)}'"
    ) == [("utf8mb4_bin",)]


def test_a_table_without_rows_is_there(server: MySQLServer) -> None:
    warehouse = server.new_warehouse()
    text = "".join(dump({table: table.arrow_schema.empty_table() for table in (MARKS, VALUES)}, "empty"))
    assert restore(server, text.encode(), warehouse) == ""
    assert (warehouse.row_count(MARKS), warehouse.row_count(VALUES)) == (0, 0)
