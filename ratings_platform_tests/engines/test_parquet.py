"""What the lake knows of a file without reading its rows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratings_platform.engines.parquet import describe, extents
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.quality import Extent
from ratings_platform.schema.tables import Column, Table

pytestmark = pytest.mark.unit

DAYS = [date(2003, 1, 2), date(2001, 12, 31), None, date(2004, 6, 1)]
MOMENTS = [day and datetime(day.year, day.month, day.day, 23, 59, 59, 999_999, UTC) for day in DAYS]


def table(kind: str) -> Table:
    return Table("bronze", "t", "One row per row.", (Column("at", kind, "When.", nullable=True),), time_column="at")


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("date", DAYS),
        ("timestamp('UTC', 6)", MOMENTS),
        ("timestamp(6)", [m and m.replace(tzinfo=None) for m in MOMENTS]),
    ],
    ids=["date", "moment", "timestamp"],
)
def test_bounds_are_those_of_all_groups_of_rows(tmp_path: Path, kind: str, values: list[Any]) -> None:
    rows = pa.table({"at": values}, schema=table(kind).arrow_schema)
    pq.write_table(rows, tmp_path / "f.parquet", row_group_size=4)
    found = describe(str(tmp_path), "f.parquet", table(kind))
    assert (found.rows, found.first_day, found.last_day) == (4, values[1], values[3])


@pytest.mark.parametrize("written", [{"write_statistics": False}, {"row_group_size": 1}], ids=["none", "some"])
def test_bounds_are_unknown_where_a_group_has_none(tmp_path: Path, written: dict[str, Any]) -> None:
    """Else its rows would be passed over."""
    pq.write_table(pa.table({"at": DAYS}), tmp_path / "f.parquet", **written)
    found = describe(str(tmp_path), "f.parquet", table("date"))
    assert (found.first_day, found.last_day) == (None, None)
    assert found.may_hold([2003])
    assert found.may_hold([1900])


NUMBERS = Table(
    "gold",
    "numbers",
    "One row per row.",
    (
        Column("n", "int8", "A number.", nullable=True),
        Column("day", "date", "A day.", nullable=True),
        Column("text", "string", "A text.", nullable=True),
        Column("ratio", "float64", "A ratio.", nullable=True),
        Column("year", "int32", "The partition."),
    ),
    partition_by="year",
)
ROWS = {
    "n": [3, None, -7, 5],
    "day": [*DAYS[:2], DAYS[3], DAYS[3]],
    "text": ["b", "a", None, None],
    "ratio": [0.5, float("nan"), None, 1.0],
}


def put(root: Path, path: str, columns: list[str], **written: Any) -> DataFile:
    file = root / path
    file.parent.mkdir(exist_ok=True)
    fields = [NUMBERS.arrow_schema.field(name) for name in columns]
    pq.write_table(pa.table([ROWS[f.name] for f in fields], schema=pa.schema(fields)), file, **written)
    return DataFile(path, 4, 1, year=int(path[5:9]))


def test_footers_tell_what_is_missing_and_how_far_values_reach(tmp_path: Path) -> None:
    """In all files and groups of rows together; bounds of whole numbers and days alone."""
    files = [put(tmp_path, f"year={year}/f.parquet", list(ROWS), row_group_size=2) for year in (2001, 2003)]
    assert extents(Scan(NUMBERS, str(tmp_path), tuple(files))) == {
        "n": Extent(2, (-7, 5)),
        "day": Extent(0, (date(2001, 12, 31), date(2004, 6, 1))),
        "text": Extent(4, None),
        "ratio": Extent(2, None),
        "year": Extent(0, (2001, 2003)),
    }


@pytest.mark.parametrize(
    ("other", "nulls", "bounds"),
    [
        ({"columns": list(ROWS), "write_statistics": False}, None, None),
        ({"columns": ["text"]}, None, None),
        ({"columns": list(ROWS), "row_group_size": 1}, 2, None),
    ],
    ids=["no-statistics", "no-such-column", "a-group-of-nulls"],
)
def test_what_one_file_does_not_tell_is_not_known(
    tmp_path: Path, other: dict[str, Any], nulls: int | None, bounds: tuple[int, int] | None
) -> None:
    files = [put(tmp_path, "year=2001/f.parquet", list(ROWS)), put(tmp_path, "year=2002/f.parquet", **other)]
    assert extents(Scan(NUMBERS, str(tmp_path), tuple(files)))["n"] == Extent(nulls, bounds)


def test_no_files_have_nothing_missing_and_no_bounds() -> None:
    assert set(extents(Scan(NUMBERS, "nowhere", ())).values()) == {Extent(0, None)}
