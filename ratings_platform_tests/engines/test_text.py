"""Storing what readers read: every line is kept, rejected or structure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from ratings_platform.engines.text import Stored, store
from ratings_platform.schema.errors import PlatformError, SourceError
from ratings_platform.schema.reading import REJECTS, Count, Parsed
from ratings_platform.schema.tables import Table
from ratings_platform_tests.lake.samples import ODD_FOLDERS, PLAIN, READINGS, Row, readings

pytestmark = pytest.mark.unit

REJECTED = [("a.txt", 3, "bad day", "x,9,2001-02-30 'é' \"�\""), ("a.txt", 7, "no name", "")]


def frame(rows: Sequence[Row]) -> pl.LazyFrame:
    return pl.LazyFrame(rows, schema={"name": pl.String, "stars": pl.Int8, "day": pl.Date}, orient="row")


def refused(rows: Sequence[tuple[str, int, str, str]]) -> pl.LazyFrame:
    schema = {"file": pl.String, "line": pl.Int64, "reason": pl.String, "raw": pl.String}
    return pl.LazyFrame(rows, schema=schema, orient="row")


def never() -> pl.LazyFrame:
    """Rejects whose reading would fail."""

    def fail(_: pl.DataFrame) -> pl.DataFrame:
        raise AssertionError("the rejects were read")

    return refused(REJECTED).map_batches(fail)


def put(root: Path, rows: pl.LazyFrame, rejects: pl.LazyFrame, count: Count, table: Table = READINGS) -> Stored:
    return store(Parsed(rows, rejects, pl.LazyFrame([count])), table, str(root), "unit")


def content(root: Path, stored: Stored) -> list[Row]:
    return [row for file in stored.files for row in pl.read_parquet(root / file.path, glob=False).rows()]


def test_rows_become_a_file_a_year_in_the_order_of_the_text(tmp_path: Path) -> None:
    rows = readings([2003, 2001], 40)
    rows = [*rows[::2], *rows[1::2]]  # the years of a text take turns
    stored = put(tmp_path, frame(rows), never(), Count(85, 5))
    assert [(f.path, f.rows) for f in stored.files] == [("unit/2001-0.parquet", 40), ("unit/2003-0.parquet", 40)]
    assert content(tmp_path, stored) == [row for year in (2001, 2003) for row in rows if row[2].year == year]
    for file in stored.files:
        days = pl.read_parquet(tmp_path / file.path)["day"]
        assert (file.first_day, file.last_day) == (days.min(), days.max())
    assert (stored.kept, stored.rejected, stored.lines, stored.structure) == (80, 0, 85, 5)


def test_a_year_is_one_file_however_many_rows_it_has(tmp_path: Path) -> None:
    n = pl.int_range(600_000)
    rows = pl.select(
        name=n.hash().cast(pl.String), stars=n.cast(pl.Int8, strict=False), day=pl.date(2001 + n % 2, 1, 1)
    )
    stored = put(tmp_path, rows.lazy(), never(), Count(600_000, 0))
    assert [(f.path, f.rows) for f in stored.files] == [
        ("unit/2001-0.parquet", 300_000),
        ("unit/2002-0.parquet", 300_000),
    ]
    assert content(tmp_path, stored) == [row for odd in (0, 1) for row in rows.rows()[odd::2]]


def test_the_rejects_are_not_read_when_every_row_was_kept(tmp_path: Path) -> None:
    assert put(tmp_path, frame(readings([2001], 3)), never(), Count(3, 0)).rejects is None
    with pytest.raises(Exception, match="the rejects were read"):
        put(tmp_path, frame(readings([2001], 3)), never(), Count(4, 0))


def test_rejects_are_stored_with_the_table_they_were_meant_for(tmp_path: Path) -> None:
    stored = put(tmp_path, frame(readings([2001], 3)), refused(REJECTED), Count(9, 4))
    assert (stored.kept, stored.rejected, stored.lines, stored.structure) == (3, 2, 9, 4)
    assert stored.rejects is not None
    found = pl.read_parquet(tmp_path / stored.rejects.path)
    assert found.columns == [c.name for c in REJECTS.columns]
    assert found.rows() == [("readings", *row) for row in REJECTED]
    assert stored.rejects.path not in {f.path for f in stored.files}


@pytest.mark.parametrize(
    ("kept", "rejected", "lines"),
    [(3, 2, 6), (3, 2, 4), (3, 0, 4), (4, 0, 3), (0, 0, 1)],
    ids=["a line lost", "a line invented", "a reject lost", "a row invented", "everything lost"],
)
def test_a_reader_that_loses_or_invents_lines_is_found_out(
    tmp_path: Path, kept: int, rejected: int, lines: int
) -> None:
    with pytest.raises(PlatformError) as caught:
        put(tmp_path, frame(readings([2001], kept)), refused(REJECTED[:rejected]), Count(lines + 2, 2))
    assert str(caught.value) == (
        f"bronze/readings: {lines} rows were counted, but {kept} kept and {rejected} rejected. "
        "The file changed while it was read, or its reader has a fault; nothing was published. Run again."
    )


def test_a_table_without_days_is_one_file(tmp_path: Path) -> None:
    stored = put(tmp_path, pl.LazyFrame({"name": ["b", None, "é"]}), never(), Count(3, 0), PLAIN)
    assert [f.path for f in stored.files] == ["unit/data.parquet"]
    assert content(tmp_path, stored) == [("b",), (None,), ("é",)]


def test_no_rows_are_no_files_and_no_fault(tmp_path: Path) -> None:
    stored = put(tmp_path, frame([]), never(), Count(2, 2))
    assert (stored.files, stored.kept, stored.rejected) == ((), 0, 0)
    assert put(tmp_path / "x", pl.LazyFrame({"name": []}, {"name": pl.String}), never(), Count(0, 0), PLAIN).kept == 0


def test_a_row_without_a_day_is_kept_where_every_year_looks_for_it(tmp_path: Path) -> None:
    stored = put(tmp_path, frame([("a", 1, None), ("b", 2, date(2001, 1, 1))]), never(), Count(2, 0))  # type: ignore[list-item]
    assert stored.kept == 2
    assert [f.may_hold([2050]) for f in stored.files] == [False, True]


def test_files_of_which_no_row_can_be_used_are_refused_as_a_whole(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as refusal:
        put(tmp_path, frame([]), refused(REJECTED[::-1]), Count(2, 0))
    assert str(refusal.value).startswith("a.txt, line 3: none of its 2 rows can be used; the first: bad day. ")
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("folder", "sibling"), ODD_FOLDERS.items(), ids=ODD_FOLDERS)
def test_a_folder_is_what_it_is_called(tmp_path: Path, folder: str, sibling: str) -> None:
    """And no pattern: what is stored and looked up lies there and not beside it."""
    put(tmp_path / sibling, frame(readings([2001], 1)), refused([("b.txt", 1, "another", "")]), Count(2, 0))
    with pytest.raises(SourceError, match=r"^a\.txt, line 3: none of its 2 rows"):
        put(tmp_path / folder, frame([]), refused(REJECTED), Count(2, 0))
    rows = readings([2001, 2002], 3)
    stored = put(tmp_path / folder, frame(rows), refused(REJECTED), Count(8, 0))
    assert sorted(map(str, content(tmp_path / folder, stored))) == sorted(map(str, rows))
    assert [path.name for path in (tmp_path / sibling / "unit").iterdir()] == ["2001-0.parquet"]
