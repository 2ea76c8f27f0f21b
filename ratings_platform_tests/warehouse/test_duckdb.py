"""The warehouse in a DuckDB file: loads are whole or did not happen."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import duckdb
import ibis
import pyarrow as pa
import pytest

from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.files import Scan
from ratings_platform.warehouse.duckdb import DuckDBWarehouse
from ratings_platform_tests.lake.samples import (
    MARKS,
    READINGS,
)
from ratings_platform_tests.warehouse.samples import NEW, OLD, as_marks, content, scan

pytestmark = pytest.mark.unit


def test_a_table_is_loaded_whole_and_again(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    assert not warehouse.exists
    assert [warehouse.load(MARKS, scan(tmp_path, OLD)) for _ in range(2)] == [3, 3]
    assert (content(warehouse), warehouse.row_count(MARKS), warehouse.exists) == (as_marks(*OLD), 3, True)
    assert warehouse.load(MARKS, scan(tmp_path, NEW)) == 1
    assert content(warehouse) == as_marks(*NEW)
    assert warehouse.about(MARKS)["bytes"] == warehouse.path.stat().st_size > 0


def test_years_replace_only_themselves(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    warehouse.load(MARKS, scan(tmp_path, OLD))
    changed = scan(tmp_path, NEW)
    for _ in range(2):
        assert warehouse.load(MARKS, changed.of_years([2002, 2003]), [2002, 2003]) == 1
        assert content(warehouse) == as_marks(OLD[0], NEW[0])


def test_years_can_be_the_first_that_is_loaded(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    whole = scan(tmp_path, OLD)
    for year in (2002, 2001, 2003):
        warehouse.load(MARKS, whole.of_years([year]), [year])
    assert content(warehouse) == as_marks(*OLD)


@pytest.mark.parametrize("years", [[2001], [2001, 2003]], ids=["one", "two"])
def test_other_years_of_a_scan_are_left_alone(warehouse: DuckDBWarehouse, tmp_path: Path, years: list[int]) -> None:
    """Whether the table is there or not."""
    whole, chosen = scan(tmp_path, OLD), [row for row in OLD if row[2].year in years]
    for _ in range(2):
        assert warehouse.load(MARKS, whole, years) == len(chosen)
        assert content(warehouse) == as_marks(*chosen)
    warehouse.load(MARKS, whole)
    assert warehouse.load(MARKS, whole, years) == len(chosen)
    assert content(warehouse) == as_marks(*OLD)


def test_a_table_that_is_not_cut_by_year_has_no_years_to_load(warehouse: DuckDBWarehouse) -> None:
    with pytest.raises(ValueError, match="bronze/readings is not cut by year"):
        warehouse.load(READINGS, Scan(READINGS, "nowhere", ()), [2001])


def test_a_table_without_rows_is_there(warehouse: DuckDBWarehouse) -> None:
    assert warehouse.load(MARKS, Scan(MARKS, "nowhere", ())) == 0
    assert content(warehouse) == []


def test_questions_are_asked_of_its_own_tables(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    warehouse.load(MARKS, scan(tmp_path, OLD))
    found = warehouse.rows(MARKS.unbound().aggregate(n=ibis._.stars.sum(), year=ibis._.day.max().year()))
    assert found.to_pylist() == [{"n": 6, "year": 2003}]
    assert found.schema.types == [pa.int64(), pa.int32()]
    assert warehouse.columns(MARKS) == {"name": "VARCHAR", "stars": "TINYINT", "day": "DATE", "year": "INTEGER"}
    assert warehouse.columns(READINGS) == {}


def test_tables_and_columns_say_what_they_mean(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    warehouse.load(MARKS, scan(tmp_path, OLD))
    columns = warehouse.query("select column_name as name, comment from duckdb_columns() where table_name = 'marks'")
    assert [tuple(c.values()) for c in columns.to_pylist()] == [(c.name, c.description) for c in MARKS.columns]
    tables = warehouse.query("select comment from duckdb_tables() where table_name = 'marks'")
    assert tables.to_pylist() == [{"comment": MARKS.description}]


@pytest.mark.parametrize("years", [None, [2002]])
def test_a_required_column_refuses_null_and_the_content_stays(
    warehouse: DuckDBWarehouse, tmp_path: Path, years: list[int] | None
) -> None:
    warehouse.load(MARKS, scan(tmp_path, OLD))
    broken = scan(tmp_path, [("x", None, date(2002, 1, 1))])  # type: ignore[list-item]
    with pytest.raises(PlatformError, match=r"NOT NULL constraint failed: marks\.stars\. Nothing was changed"):
        warehouse.load(MARKS, broken, years)
    assert content(warehouse) == as_marks(*OLD)


@pytest.mark.parametrize(
    ("change", "differing"),
    [
        ("drop column stars", "stars"),
        ("drop column year", "year"),
        ("alter column stars type integer", "stars"),
        ("add column extra integer", "extra"),
    ],
)
def test_other_columns_than_declared_are_refused_by_year_and_mended_whole(
    warehouse: DuckDBWarehouse, tmp_path: Path, change: str, differing: str
) -> None:
    whole = scan(tmp_path, OLD)
    warehouse.load(MARKS, whole)
    with duckdb.connect(str(warehouse.path)) as other:
        other.execute(f"alter table marks {change}")
    with pytest.raises(PlatformError, match=rf"has other columns than declared: {differing}\. .*warehouse/marks"):
        warehouse.load(MARKS, whole.of_years([2001]), [2001])
    assert warehouse.row_count(MARKS) == 3
    warehouse.load(MARKS, whole)
    assert content(warehouse) == as_marks(*OLD)


def test_a_warehouse_that_was_never_loaded_cannot_be_asked(warehouse: DuckDBWarehouse) -> None:
    with pytest.raises(PlatformError, match=r"does not exist yet\. Run: ratings-platform run"):
        warehouse.row_count(MARKS)
    assert not warehouse.exists


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select nothing from marks", r'"nothing" not found.* Load the warehouse anew: ratings-platform run'),
        ("select * from no_table", r"no_table does not exist.* Load the warehouse anew"),
        ("select 'x'::int", r"Could not convert string 'x' to INT32.*"),
        ("selec", r"syntax error.*"),
    ],
    ids=["column", "table", "value", "syntax"],
)
def test_a_question_that_the_database_refuses_is_one_line(
    warehouse: DuckDBWarehouse, tmp_path: Path, sql: str, told: str
) -> None:
    warehouse.load(MARKS, scan(tmp_path, OLD))
    with pytest.raises(PlatformError, match=told) as caught:
        warehouse.query(sql)
    assert str(caught.value).startswith(f"{warehouse.path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [duckdb.IOException("No space left on device"), duckdb.BinderException("x")])
def test_faults_of_others_in_a_block_that_keeps_it_open_are_not_its_own(
    warehouse: DuckDBWarehouse, error: duckdb.Error
) -> None:
    with pytest.raises(type(error)), warehouse.kept_open():
        raise error


@pytest.mark.parametrize("content", [b"", b"no database", b"\0" * 20_000], ids=["empty", "text", "zeros"])
@pytest.mark.parametrize("name", ["w.duckdb", "lock.duckdb"])
def test_a_file_that_is_no_database_is_told_at_once(tmp_path: Path, content: bytes, name: str) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    warehouse = DuckDBWarehouse(file, "500MB", lock_wait=60)
    start = time.monotonic()
    with pytest.raises(PlatformError) as caught:
        warehouse.load(MARKS, Scan(MARKS, "nowhere", ()))
    assert time.monotonic() - start < 10
    assert str(caught.value).startswith(f"{file}: the file cannot be opened as a DuckDB database (")
    assert str(caught.value).endswith(
        "Move it away, or point RATINGS_WAREHOUSE elsewhere, and load the warehouse again."
    )
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == content
