"""A scan as SQL: declared columns in declared order, whatever the files hold and wherever they lie."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.scans import duckdb_types, scan_sql
from ratings_platform.schema.tables import Column, Table

pytestmark = pytest.mark.unit

_COLUMNS = (Column('the "day"', "date", "x"), Column("n", "int16", "x"), Column("year", "int32", "x"))
BY_YEAR = Table("gold", "by_year", "x", _COLUMNS, partition_by="year")
BY_DAY = Table("gold", "by_day", "x", _COLUMNS[:2], time_column='the "day"')

DAYS = [date(2002, 12, 31), date(2003, 1, 1), date(2003, 12, 31), date(2004, 1, 1)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder whose name breaks SQL and globs, with a file of its columns in another order and of wider types."""
    folder = tmp_path / 'it\'s "here" [1] *?'
    for below in ("year=2003", "n=9"):
        (folder / below).mkdir(parents=True)
    pq.write_table(
        pa.table({"n": pa.array([1, 2, 3, 4], pa.int64()), 'the "day"': DAYS}), folder / "n=9" / "all.parquet"
    )
    pq.write_table(pa.table({"n": [7], 'the "day"': [DAYS[1]]}), folder / "year=2003" / "data.parquet")
    return folder


def select(scan: Scan) -> tuple[list[str], list[tuple[object, ...]]]:
    found = duckdb.sql(scan_sql(scan))
    return [f"{name} {kind}" for name, kind in zip(found.columns, found.types, strict=True)], found.fetchall()


def test_types_are_named_as_duckdb_names_them() -> None:
    types = {name: duckdb.sqltype(kind) for name, kind in duckdb_types(BY_YEAR).items()}
    assert types == {'the "day"': "DATE", "n": "SMALLINT", "year": "INTEGER"}


def test_columns_are_the_declared_ones(root: Path) -> None:
    found = select(Scan(BY_DAY, str(root), (DataFile("n=9/all.parquet", 4, 1),)))
    assert found == (['the "day" DATE', "n SMALLINT"], list(zip(DAYS, [1, 2, 3, 4], strict=True)))


def test_the_partition_is_a_column(root: Path) -> None:
    scan = Scan(BY_YEAR, str(root), (DataFile("year=2003/data.parquet", 1, 1, year=2003),), years=(2003,))
    assert select(scan) == (['the "day" DATE', "n SMALLINT", "year INTEGER"], [(DAYS[1], 7, 2003)])


@pytest.mark.parametrize(("years", "kept"), [((2003,), [2, 3]), ((2002, 2004), [1, 4]), ((), []), (None, [1, 2, 3, 4])])
def test_a_file_of_several_years_is_cut_to_those_asked_for(
    root: Path, years: tuple[int, ...] | None, kept: list[int]
) -> None:
    _, rows = select(Scan(BY_DAY, str(root), (DataFile("n=9/all.parquet", 4, 1),), years=years))
    assert [n for _, n in rows] == kept


def test_no_files_are_no_rows_of_the_declared_columns() -> None:
    assert select(Scan(BY_YEAR, "nowhere", ())) == (['the "day" DATE', "n SMALLINT", "year INTEGER"], [])
