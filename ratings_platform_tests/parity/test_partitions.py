"""A partition holds exactly the rows whose column has its key, whatever the inputs are cut by, on either engine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pytest

from ratings_platform.engines.base import Engine
from ratings_platform.lake.tables import LakeTable
from ratings_platform.schema.files import Scan
from ratings_platform.schema.tables import Column, Table
from ratings_platform_tests.parity.stored import content, put

pytestmark = pytest.mark.integration

INT32 = ibis.dtype("int32", nullable=True)
YEARS = (2002, 2003, 2004)
ENDS = (
    datetime(2002, 12, 31, 23, 59, 59, 999_999, UTC),
    datetime(2003, 1, 1, 0, 0, 0, 0, UTC),
    datetime(2003, 12, 31, 0, 0, 0, 1, UTC),
    datetime(2003, 12, 31, 23, 59, 59, 999_999, UTC),
    datetime(2004, 1, 1, 0, 0, 0, 0, UTC),
)  # fmt: skip
OF_YEAR = {2002: [0], 2003: [1, 2, 3], 2004: [4]}
KINDS_OF_TIME = {"date": "date", "timestamp": "timestamp(6)", "moment": "timestamp('UTC', 6)"}


def noted(kind: str, time_column: str | None) -> Table:
    columns = (Column("n", "int32", "Number."), Column("at", kind, "When."))
    return Table("bronze", "noted", "One row per note.", columns, time_column=time_column)


BY_YEAR = Table(
    "silver",
    "by_year",
    "One row per note.",
    (Column("n", "int32", "Number."), Column("year", "int32", "Its year.")),
    key=("n",),
    partition_by="year",
)


def rows_of(kind: str) -> list[dict[str, Any]]:
    shorten = {"date": datetime.date, "timestamp(6)": lambda at: at.replace(tzinfo=None)}.get(kind, lambda at: at)
    return [{"n": n, "at": shorten(at)} for n, at in enumerate(ENDS)]


def by_year(rows: ir.Table) -> ir.Table:
    """As a model has it: of the declared types and sorted by the key."""
    return rows.select("n", year=rows["at"].year().cast("int32")).order_by("n")


def numbers_by_year(files: Scan) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for row in content(files).to_pylist():
        found.setdefault(row["year"], []).append(row["n"])
    return found


def written(engine: Engine, expr: ir.Table, scans: Mapping[str, Scan], root: Path, *years: int) -> Scan:
    files = engine.write(expr, scans, BY_YEAR, str(root), f"of-{len(years)}", years=years)
    return Scan(BY_YEAR, str(root), tuple(files))


@pytest.mark.parametrize("kind", KINDS_OF_TIME.values(), ids=KINDS_OF_TIME)
@pytest.mark.parametrize("time_column", [None, "at"], ids=["no-time", "time"])
def test_rows_of_inputs_not_cut_by_year_are_in_their_years_alone(
    engine: Engine, tmp_path: Path, kind: str, time_column: str | None
) -> None:
    table = noted(kind, time_column)
    scans = {table.name: put(table, rows_of(kind), tmp_path)}
    expr = by_year(table.unbound())
    assert numbers_by_year(written(engine, expr, scans, tmp_path, *YEARS)) == OF_YEAR
    assert numbers_by_year(written(engine, expr, scans, tmp_path, 2003)) == {2003: OF_YEAR[2003]}


def test_rows_of_inputs_of_both_kinds_are_in_their_years_alone(engine: Engine, tmp_path: Path) -> None:
    table = noted("date", None)
    dated = put(table, rows_of("date"), tmp_path)
    cut = written(engine, by_year(table.unbound()), {table.name: dated}, tmp_path, *YEARS)
    again = by_year(table.unbound()).mutate(n=(ibis._.n + 10).cast(INT32), year=ibis._.year.cast(INT32))
    both = BY_YEAR.unbound().mutate(n=ibis._.n.cast(INT32), year=ibis._.year.cast(INT32)).union(again)
    found = numbers_by_year(written(engine, both, {table.name: dated, BY_YEAR.name: cut}, tmp_path / "both", *YEARS))
    assert {year: sorted(of) for year, of in found.items()} == {
        year: [*of, *(n + 10 for n in of)] for year, of in OF_YEAR.items()
    }


@pytest.mark.parametrize("kind", KINDS_OF_TIME.values(), ids=KINDS_OF_TIME)
def test_a_year_lasts_to_the_end_of_its_last_day(engine: Engine, tmp_path: Path, kind: str) -> None:
    """And is found by the bounds that the lake keeps of its files."""
    table = noted(kind, "at")
    lake = LakeTable(str(tmp_path), table)
    lake.publish(put(table, rows_of(kind), Path(tmp_path, table.path)).files)
    rows = table.unbound()
    for year in (2001, *YEARS, 2005):
        found = engine.rows(rows.select("n").order_by("n"), {table.name: lake.scan([year])})
        assert found["n"].to_pylist() == OF_YEAR.get(year, [])
