"""The embedded engine: what it writes, from what, and what a full disk leaves."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from hashlib import sha256
from itertools import chain
from pathlib import Path

import ibis
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratings_platform.engines.duckdb import DuckDBEngine
from ratings_platform.lake.tables import LakeTable
from ratings_platform.schema.errors import PlatformError, TransientError
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.reading import Count, Parsed
from ratings_platform.schema.study import Ingest
from ratings_platform.schema.tables import Column, Table
from ratings_platform_tests.lake.samples import MANY, MARKS, ODD_FOLDERS, PLAIN, READINGS, marks, numbers, put, readings

pytestmark = pytest.mark.unit

YEARS = (2001, 2002, 2003)


@pytest.fixture
def engine(tmp_path: Path) -> DuckDBEngine:
    return DuckDBEngine("500MB", tmp_path / "spill")


@pytest.fixture
def source(tmp_path: Path) -> LakeTable:
    """Readings of three years, in two units of files, each unit with some of every year."""
    table = LakeTable(str(tmp_path), READINGS)
    table.publish(list(chain(*(put(table, readings(YEARS, 300, seed)) for seed in (1, 2)))))
    return table


@pytest.fixture
def target(tmp_path: Path) -> LakeTable:
    return LakeTable(str(tmp_path), MARKS)


def write(engine: DuckDBEngine, source: LakeTable, target: LakeTable, *years: int) -> list[DataFile]:
    return engine.write(marks(), {READINGS.name: source.scan()}, MARKS, target.uri, target.new_folder(), years=years)


def digests(target: LakeTable, files: list[DataFile]) -> dict[int | None, str]:
    return {file.year: sha256(Path(target.uri, file.path).read_bytes()).hexdigest() for file in files}


def all_rows(engine: DuckDBEngine, scan: Scan) -> list[dict[str, object]]:
    rows = scan.table.unbound()
    return engine.rows(rows.order_by(*rows.columns), {scan.table.name: scan}).to_pylist()


def test_an_unpartitioned_table_is_one_file_of_its_rows(engine: DuckDBEngine, source: LakeTable) -> None:
    target = LakeTable(str(Path(source.uri).parents[1]), PLAIN)
    expr = READINGS.unbound().select("name")
    [file] = engine.write(expr, {READINGS.name: source.scan()}, PLAIN, target.uri, "new")
    assert (file.path, file.rows, file.year) == ("new/data.parquet", 1800, None)
    assert file.size == Path(target.uri, file.path).stat().st_size
    given = [pq.read_table(path)["name"].to_pylist() for path in source.scan().paths]
    assert pq.read_table(f"{target.uri}/{file.path}")["name"].to_pylist() == list(chain(*given))


def test_years_become_a_file_each_with_the_rows_of_that_year(
    engine: DuckDBEngine, source: LakeTable, target: LakeTable
) -> None:
    files = write(engine, source, target, *YEARS)
    assert [(f.year, f.rows, f.path.split("/", 1)[1]) for f in files] == [
        (year, 600, f"year={year}/data.parquet") for year in YEARS
    ]
    target.publish(files, years=YEARS)
    wanted = [{**row, "year": row["day"].year} for row in all_rows(engine, source.scan())]  # type: ignore[attr-defined]
    assert all_rows(engine, target.scan()) == wanted
    assert {row["name"] for row in wanted} >= {None, "", "O'Neil", 'say "hi"', "日本", "🎬", "tab\tand\nline"}


def test_a_year_has_the_same_bytes_alone_in_a_range_and_among_all(
    engine: DuckDBEngine, source: LakeTable, target: LakeTable, tmp_path: Path
) -> None:
    """Large enough for several row groups, which several threads write."""
    big = LakeTable(str(tmp_path / "big"), READINGS)
    big.publish(list(chain(*(put(big, readings([2001, 2002], 150_000, seed)) for seed in (1, 2)))))
    everything = digests(target, write(engine, big, target, *YEARS))
    assert set(everything) == {2001, 2002}
    assert digests(target, write(engine, big, target, 2001, 2002)) == everything
    alone = DuckDBEngine("300MB", tmp_path / "other")
    assert (
        digests(target, write(alone, big, target, 2001)) | digests(target, write(alone, big, target, 2002))
        == everything
    )


def test_years_without_rows_have_no_file(engine: DuckDBEngine, source: LakeTable, target: LakeTable) -> None:
    files = write(engine, source, target, 1999, 2001, 2050)
    assert [f.year for f in files] == [2001]
    assert sorted(p.name for p in Path(target.uri).rglob("*.parquet")) == ["data.parquet"]


def test_a_scan_without_files_gives_no_rows(engine: DuckDBEngine, target: LakeTable) -> None:
    nothing = {READINGS.name: Scan(READINGS, "nowhere", ())}
    assert engine.write(marks(), nothing, MARKS, target.uri, "new", years=YEARS) == []
    [file] = engine.write(READINGS.unbound().select("name"), nothing, PLAIN, target.uri, "plain")
    assert file.rows == 0
    assert engine.rows(marks(), nothing).schema.names == [c.name for c in MARKS.columns]


def test_a_year_is_written_without_the_files_of_other_years(
    engine: DuckDBEngine, source: LakeTable, target: LakeTable
) -> None:
    before = digests(target, write(engine, source, target, 2002))
    others, own = ([p for p in source.scan().paths if ("/2002." in p) is own] for own in (False, True))
    for path in others:
        Path(path).write_bytes(b"this is no Parquet file")
    assert digests(target, write(engine, source, target, 2002)) == before
    Path(own[0]).write_bytes(b"nor is this")
    with pytest.raises(Exception, match="Parquet"):
        write(engine, source, target, 2002)


def test_several_results_over_the_same_scans(engine: DuckDBEngine, source: LakeTable) -> None:
    rows = READINGS.unbound()
    found = engine.many_rows(
        {"n": rows.count().as_table(), "top": rows.stars.max().as_table()}, {rows.get_name(): source.scan()}
    )
    assert {name: table.to_pylist()[0].popitem()[1] for name, table in found.items()} == {"n": 1800, "top": 5}


def test_names_and_folders_may_hold_quotes_and_spaces(engine: DuckDBEngine, tmp_path: Path) -> None:
    odd = Table(
        "silver",
        'it\'s "odd"',
        "x",
        (Column("a \"b\" 'c'", "string", "x"), Column("year", "int32", "x")),
        partition_by="year",
    )
    target = LakeTable(str(tmp_path / 'a lake\'s "folder" [1]*'), odd)
    for year in YEARS:
        expr = PLAIN.unbound().select(ibis.literal("it's").name("a \"b\" 'c'"), year=ibis.literal(year))
        plain = LakeTable(str(tmp_path), PLAIN)
        Path(plain.uri).mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"name": ["x"]}), f"{plain.uri}/x.parquet")
        scan = Scan(PLAIN, plain.uri, (DataFile("x.parquet", 1, 1),))
        files = engine.write(expr, {PLAIN.name: scan}, odd, target.uri, target.new_folder(), years=[year])
        target.publish(files, years=[year])
    assert all_rows(engine, target.scan()) == [{"a \"b\" 'c'": "it's", "year": year} for year in YEARS]


@pytest.mark.parametrize(("folder", "sibling"), ODD_FOLDERS.items(), ids=ODD_FOLDERS)
def test_a_folder_is_what_it_is_called(tmp_path: Path, folder: str, sibling: str) -> None:
    """And no pattern: readers and expressions see what lies there and not what lies beside it."""
    engine = DuckDBEngine("500MB", tmp_path / folder / "spill")
    for name, value in ((sibling, "beside"), (folder, "there")):
        table = LakeTable(str(tmp_path / name), PLAIN)
        expr = PLAIN.unbound().select(name=ibis.literal(value))
        Path(table.uri).mkdir(parents=True)
        pq.write_table(pa.table({"name": ["x"]}), Path(table.uri, "x.parquet"))
        scan = Scan(PLAIN, table.uri, (DataFile("x.parquet", 1, 1),))
        table.publish(engine.write(expr, {PLAIN.name: scan}, PLAIN, table.uri, "same"))
    assert all_rows(engine, table.scan()) == [{"name": "there"}]

    def known(_: object, frames: Mapping[str, pl.LazyFrame]) -> Parsed:
        return Parsed(frames["plain"], pl.LazyFrame(), pl.LazyFrame([Count(1, 0)]))

    stored = engine.store(Ingest(PLAIN, "vendor", ("*",), known), [], {"plain": table.scan()}, table.uri, "read")
    assert pq.read_table(Path(table.uri, stored.files[0].path))["name"].to_pylist() == ["there"]


def test_what_exceeds_the_memory_is_spilt_to_the_folder_given(tmp_path: Path) -> None:
    sorted_rows = numbers(1_500_000).order_by("m")
    [file] = DuckDBEngine("40MB", tmp_path / "spill").write(sorted_rows, {}, MANY, str(tmp_path), "new")
    assert file.rows == 1_500_000
    # The proof that it was spilt: without that folder it cannot be done.
    (tmp_path / "file").touch()
    with pytest.raises((PlatformError, TransientError)):
        DuckDBEngine("40MB", tmp_path / "file").write(sorted_rows, {}, MANY, str(tmp_path), "again")
    assert not (tmp_path / "again").exists()


def test_progress_tells_of_each_year(engine: DuckDBEngine, source: LakeTable, target: LakeTable) -> None:
    told: list[str] = []
    engine.write(
        marks(), {READINGS.name: source.scan()}, MARKS, target.uri, "new", years=[2001, 1999], progress=told.append
    )
    assert told == ["silver/marks 2001: 600 rows", "silver/marks 1999: 0 rows"]


def test_bounds_of_an_unpartitioned_table_are_those_of_its_rows(engine: DuckDBEngine, source: LakeTable) -> None:
    target = LakeTable(source.uri + "-copy", READINGS)
    [file] = engine.write(READINGS.unbound(), {READINGS.name: source.scan()}, READINGS, target.uri, "new")
    days = [row["day"] for row in all_rows(engine, source.scan())]
    assert (file.first_day, file.last_day) == (min(days), max(days))  # type: ignore[type-var]
    assert isinstance(file.first_day, date)
