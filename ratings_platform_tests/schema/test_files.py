"""Scans: which files a year needs, and what they count."""

from __future__ import annotations

from datetime import date

import pytest

from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.tables import Column, Table

pytestmark = pytest.mark.unit

_COLUMNS = (Column("day", "date", "x"), Column("year", "int32", "x"))
BY_YEAR = Table("gold", "by_year", "x", _COLUMNS, partition_by="year")
BY_DAY = Table("gold", "by_day", "x", _COLUMNS, time_column="day")
TIMELESS = Table("gold", "timeless", "x", _COLUMNS)

PARTITION = DataFile("p", 3, 10, year=2003)
SPANNING = DataFile("s", 4, 20, first_day=date(2002, 12, 31), last_day=date(2004, 1, 1))
UNKNOWN = DataFile("u", 5, 30)


@pytest.mark.parametrize(
    ("file", "years"),
    [(PARTITION, {2003}), (SPANNING, {2002, 2003, 2004}), (UNKNOWN, {2001, 2002, 2003, 2004, 2005})],
)
def test_a_file_may_hold_the_years_it_spans(file: DataFile, years: set[int]) -> None:
    assert {year for year in range(2001, 2006) if file.may_hold([year])} == years
    assert file.may_hold([1900, *years])
    assert not file.may_hold([]) or file is UNKNOWN


@pytest.mark.parametrize(("table", "file"), [(BY_YEAR, PARTITION), (BY_DAY, SPANNING)])
def test_a_scan_of_years_has_their_files_only(table: Table, file: DataFile) -> None:
    scan = Scan(table, "root", (file,), version=7)
    assert scan.of_years([2003, 1999]) == Scan(table, "root", (file,), (1999, 2003), 7)
    assert scan.of_years([1999]).files == ()


def test_a_table_that_knows_no_years_is_always_whole() -> None:
    scan = Scan(TIMELESS, "root", (UNKNOWN,))
    assert scan.of_years([1999]) is scan


def test_a_scan_counts_its_files() -> None:
    scan = Scan(BY_DAY, "root/t", (SPANNING, PARTITION, DataFile("q", 1, 1, year=2003), UNKNOWN))
    assert (scan.paths[0], scan.rows, scan.size) == ("root/t/s", 13, 61)
    assert scan.rows_by_year() == {2002: 4, 2003: 4}
