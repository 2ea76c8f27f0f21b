"""What the lake knows of a file without reading its rows."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratings_platform.engines.parquet import describe
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
