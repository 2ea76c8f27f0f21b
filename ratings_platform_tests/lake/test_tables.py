"""Lake tables: readers see whole versions, whoever writes, is killed, or writes at the same time."""

from __future__ import annotations

import json
from datetime import date
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from ratings_platform.engines.duckdb import DuckDBEngine
from ratings_platform.lake.tables import LakeTable
from ratings_platform.schema.errors import PassingError, PlatformError
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.scans import scan_sql
from ratings_platform.schema.tables import Column, Table
from ratings_platform_tests.lake.samples import (
    MARKS,
    PLAIN,
    PROCESSES,
    READINGS,
    Row,
    killed_while_running,
    marks,
    put,
    put_file,
    readings,
)

pytestmark = pytest.mark.unit

OLD: list[Row] = [("a", 1, date(2001, 5, 1)), ("b", 2, date(2002, 5, 1)), ("c", 3, date(2003, 5, 1))]
NEW: list[Row] = [("x", 5, date(2002, 6, 1)), ("y", 5, date(2003, 6, 1))]


@pytest.fixture
def table(tmp_path: Path) -> LakeTable:
    return LakeTable(str(tmp_path), MARKS)


def rows(scan: Scan) -> list[Row]:
    return duckdb.sql(f"select name, stars, day from ({scan_sql(scan)}) order by day, name").fetchall()


def test_a_table_never_published_has_no_rows_and_no_version(table: LakeTable) -> None:
    assert (table.exists, table.info(), table.scan().files, table.scan().version) == (False, {}, (), None)
    assert rows(table.scan()) == []


def test_the_first_version_creates_the_table_and_the_next_replaces_it(table: LakeTable) -> None:
    assert table.publish(put(table, OLD), info={"run": "one"}) == 0
    assert (rows(table.scan()), table.info(), table.exists) == (OLD, {"run": "one"}, True)
    assert table.publish(put(table, NEW), info={"run": "two"}) == table.scan().version == 1
    assert (rows(table.scan()), table.info()) == (NEW, {"run": "two"})


def test_years_replace_only_themselves_even_by_nothing(table: LakeTable) -> None:
    table.publish(put(table, OLD))
    table.publish(put(table, NEW[:1]), years=[2002, 2003])
    assert rows(table.scan()) == [OLD[0], NEW[0]]
    assert table.scan().rows_by_year() == {2001: 1, 2002: 1}
    assert rows(table.scan([2001])) == [OLD[0]]


def test_a_reader_keeps_its_version_while_others_are_published(table: LakeTable) -> None:
    table.publish(put(table, OLD))
    held = table.scan()
    table.publish(put(table, NEW))
    table.publish([])
    assert rows(held) == OLD
    assert rows(table.scan()) == []


def test_the_same_files_again_add_nothing(table: LakeTable) -> None:
    files = put(table, OLD)
    table.publish(files)
    table.publish(files)
    table.publish([f for f in files if f.year == 2002], years=[2002])
    assert rows(table.scan()) == OLD
    assert len(table.scan().files) == 3


def test_a_file_kept_by_name_and_a_new_one_make_one_version(table: LakeTable) -> None:
    files = put(table, OLD)
    table.publish(files)
    table.publish([files[0], *put(table, NEW[:1])])
    assert rows(table.scan()) == [OLD[0], NEW[0]]


def test_files_that_were_never_published_are_invisible(table: LakeTable) -> None:
    put(table, NEW)
    assert not table.exists
    table.publish(put(table, OLD))
    put(table, NEW)
    assert rows(table.scan()) == OLD


def test_folders_are_never_named_twice(table: LakeTable) -> None:
    assert len({table.new_folder("unit") for _ in range(100)}) == 100


@pytest.mark.parametrize("declared", [MARKS, READINGS])
def test_other_programs_read_the_same_rows(tmp_path: Path, declared: Table) -> None:
    table = LakeTable(str(tmp_path / "a lake's \"folder\" [é]"), declared)
    table.publish(put(table, readings([2001, 2002], 20)))
    names = [c.name for c in declared.columns]
    ours = duckdb.sql(f"select * from ({scan_sql(table.scan())}) order by all").fetchall()
    delta = DeltaTable(table.uri)
    theirs = delta.to_pyarrow_table().select(names)  # noqa: F841
    assert duckdb.sql("select * from theirs order by all").fetchall() == ours
    paths = [str(Path(table.uri, path)) for path in delta.get_add_actions(flatten=True)["path"].to_pylist()]
    plain = duckdb.read_parquet(paths, hive_partitioning=True).select(", ".join(names))  # type: ignore[arg-type]
    assert [tuple(map(str, row)) for row in plain.order("all").fetchall()] == [tuple(map(str, row)) for row in ours]
    assert len(ours) == 40
    assert delta.metadata().description == declared.description


def test_statistics_of_the_time_column_are_those_of_the_rows(tmp_path: Path) -> None:
    table = LakeTable(str(tmp_path), READINGS)
    table.publish(put(table, readings([2001, 2004], 50)))
    assert {f.first_day.year for f in table.scan().files if f.first_day} == {2001, 2004}
    for file in table.scan().files:
        days = pq.read_table(f"{table.uri}/{file.path}")["day"].to_pylist()
        assert (file.first_day, file.last_day, file.rows) == (min(days), max(days), len(days))
    assert [f.first_day for f in table.scan([2004]).files] == [f.first_day for f in table.scan().files[1:]]


def test_a_file_over_several_years_gives_each_year_its_rows(tmp_path: Path) -> None:
    table = LakeTable(str(tmp_path), READINGS)
    table.publish([put_file(table, OLD, "unit/all.parquet")])
    assert rows(table.scan([2002])) == [OLD[1]]
    assert rows(table.scan([2001, 2003])) == [OLD[0], OLD[2]]
    assert rows(table.scan([])) == []


def test_other_columns_than_declared_are_refused_by_readers_and_writers(table: LakeTable, tmp_path: Path) -> None:
    table.publish(put(table, OLD))
    wider = Table(MARKS.layer, MARKS.name, "x", (*MARKS.columns, Column("new", "string", "x")), partition_by="year")
    drifted = LakeTable(str(tmp_path), wider)
    with pytest.raises(PlatformError, match=r"other columns than declared: .*'new'.* Move this folder away"):
        drifted.scan()
    with pytest.raises(PlatformError, match="other columns than declared"):
        drifted.publish(put(table, NEW))
    assert rows(table.scan()) == OLD


@pytest.mark.parametrize("folder", ["year=1999", "a%20b", "a\\b"])
def test_folders_that_libraries_read_as_something_else_are_refused(tmp_path: Path, folder: str) -> None:
    with pytest.raises(PlatformError, match=r"which libraries read as something else\. .*RATINGS_LAKE"):
        LakeTable(str(tmp_path / folder / "lake"), MARKS)


def test_a_version_that_cannot_be_stored_is_one_line_and_changes_nothing(table: LakeTable) -> None:
    table.publish(put(table, OLD))
    Path(table.uri, "_delta_log", f"{1:020}.json").mkdir()  # stands in the way of version 1
    with pytest.raises((PlatformError, PassingError)) as caught:
        table.publish(put(table, NEW))
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (None, None),
        ([2001, 2003], [2002, 2003]),
        (None, [2003]),
    ],
    ids=["whole tables", "years", "whole table and years"],
)
def test_versions_of_two_writers_at_once_follow_one_another(
    table: LakeTable, first: list[int] | None, second: list[int] | None
) -> None:
    """Replaying what each commit says of itself gives the files of every version: none is mixed, none lost."""
    rounds, start = 25, PROCESSES.Barrier(2)
    writers = [
        PROCESSES.Process(target=_publish_often, args=(table, name, years, rounds, start))
        for name, years in (("first", first), ("second", second))
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]

    history = [json.loads(commit["info"]) for commit in reversed(DeltaTable(table.uri).history())]
    assert len(history) == 2 * rounds
    expected: set[str] = set()
    for version, commit in enumerate(history):
        outside = {p for p in expected if commit["years"] and _year(p) not in commit["years"]}
        expected = outside | set(commit["files"])
        live = DeltaTable(table.uri, version=version).get_add_actions(flatten=True)["path"].to_pylist()
        assert sorted(live) == sorted(expected)
    turns = [a["writer"] != b["writer"] for a, b in zip(history, history[1:], strict=False)]
    assert sum(turns) > 1, "the writers never met"


def _publish_often(table: LakeTable, writer: str, years: list[int] | None, rounds: int, start: Barrier) -> None:
    start.wait(60)
    for _ in range(rounds):
        folder = table.new_folder(writer)
        files = [DataFile(f"{folder}/year={year}/d.parquet", 1, 1, year=year) for year in years or (2001, 2002, 2003)]
        info = {"writer": writer, "years": years, "files": [f.path for f in files]}
        while True:
            try:
                table.publish(files, years=years, info=info)
                break
            except PassingError:  # as an orchestrator would
                continue


def _year(path: str) -> int:
    return int(path.split("year=")[1][:4])


@pytest.mark.integration
@pytest.mark.parametrize("after", [0.0, 0.05, 0.11, 0.18])
def test_a_writer_killed_at_any_moment_leaves_a_whole_version(tmp_path: Path, after: float) -> None:
    source, target = LakeTable(str(tmp_path), READINGS), LakeTable(str(tmp_path), MARKS)
    source.publish(put(source, readings([2001, 2002], 20_000)))
    _write_marks(tmp_path)
    whole = rows(target.scan())
    killed_while_running(_write_marks_forever, tmp_path, after=after)
    assert rows(target.scan()) == whole
    _write_marks(tmp_path)
    assert rows(target.scan()) == whole
    assert len(whole) == 40_000


def _write_marks_forever(ready: Event, root: Path) -> None:
    ready.set()
    while True:
        _write_marks(root)


def _write_marks(root: Path) -> None:
    source, target = LakeTable(str(root), READINGS), LakeTable(str(root), MARKS)
    engine, years = DuckDBEngine("500MB", root / "spill"), [2001, 2002]
    scans = {READINGS.name: source.scan()}
    files = engine.write(marks(), scans, MARKS, target.uri, target.new_folder(), years=years)
    target.publish(files, years=years)


def test_an_empty_unpartitioned_table_is_a_version_too(tmp_path: Path) -> None:
    table = LakeTable(str(tmp_path), PLAIN)
    table.publish([])
    assert (table.scan().version, table.scan().rows) == (0, 0)
