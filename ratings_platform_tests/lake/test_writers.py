"""Lake tables under writers that meet, are killed, or find no room: readers see whole versions."""

from __future__ import annotations

import json
import os
import shutil
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import ibis
import pytest

from ratings_platform.engines.duckdb import DuckDBEngine
from ratings_platform.lake.tables import LakeTable
from ratings_platform.schema.errors import TransientError
from ratings_platform.schema.files import SIDECARS, DataFile
from ratings_platform_tests.lake.samples import (
    MARKS,
    PROCESSES,
    READINGS,
    Lake,
    error_of,
    killed_while_running,
    marks,
    put,
    readings,
    rows,
    seconds,
)

SOME = sorted(readings([2001], 3), key=lambda row: row[2])


@pytest.mark.integration
@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("disk_lake", None, None),
        ("disk_lake", [2001, 2003], [2002, 2003]),
        ("disk_lake", [2001], [2002]),
        ("disk_lake", None, []),
        ("far_lake", [2001, 2003], [2002, 2003]),
    ],
    ids=[
        "whole tables",
        "years of which one is shared",
        "years that are their own",
        "whole table and years",
        "on s3",
    ],
)
def test_versions_of_two_writers_at_once_follow_one_another(
    request: pytest.FixtureRequest, kind: str, first: list[int] | None, second: list[int] | None
) -> None:
    """Replaying what each commit says of itself gives the files of every version: none is mixed, none lost.

    Who writes years also writes a new one in every round, the same as the other: nothing is removed that both miss.
    """
    lake: Lake = request.getfixturevalue(kind)
    table, together = lake.table(MARKS), PROCESSES.Barrier(2)
    rounds = 12 if kind == "disk_lake" else 4
    writers = [
        PROCESSES.Process(target=_publish_often, args=(lake, name, years, rounds, together))
        for name, years in (("first", first), ("second", second))
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]

    history = [json.loads(commit["info"]) for commit in reversed(lake.delta(table).history())]
    assert len(history) == 2 * rounds
    expected: set[str] = set()
    for version, commit in enumerate(history):
        outside = {p for p in expected if commit["years"] and _year(p) not in commit["years"]}
        expected = outside | set(commit["files"])
        live = lake.delta(table, version).get_add_actions(flatten=True)["path"].to_pylist()
        assert sorted(live) == sorted(expected)


def _publish_often(lake: Lake, writer: str, years: list[int] | None, rounds: int, together: Barrier) -> None:
    table = lake.table(MARKS)
    for new_year in range(3000, 3000 + rounds):
        together.wait(60)
        folder = table.new_folder(writer)
        chosen = None if years is None else [*years, new_year]
        files = [_written(table, f"{folder}/year={year}/d.parquet", year) for year in chosen or (2001, 2002, 2003)]
        info = {"years": chosen, "files": [f.path for f in files]}
        while True:
            try:
                table.publish(files, years=chosen, info=info)
                break
            except TransientError:  # as an orchestrator would
                continue


def _written(table: LakeTable, path: str, year: int) -> DataFile:
    """A file that nobody reads."""
    file = Path(table.local_root, path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch()
    return DataFile(path, 1, 1, year=year)


def _year(path: str) -> int:
    return int(path.split("year=")[1][:4])


@pytest.mark.integration
@pytest.mark.parametrize(
    ("kind", "part"),
    [*(("disk_lake", part) for part in (0.2, 0.6, 0.9, 1.7)), ("s3_lake", 0.5), ("s3_lake", 0.9)],
)
def test_a_writer_killed_at_any_moment_leaves_a_whole_version(
    request: pytest.FixtureRequest, kind: str, part: float
) -> None:
    """After some part of the time that a version takes."""
    lake: Lake = request.getfixturevalue(kind)
    source, target = lake.table(READINGS), lake.table(MARKS)
    source.publish(put(source, readings([2001, 2002], 20_000)))
    taken = seconds(lambda: _write_marks(lake, 9))
    before = lake.rows(target.scan())
    killed_while_running(_write_marks_forever, lake, after=part * taken)
    found = lake.rows(target.scan())
    assert {stars for _, stars, _ in found} in ({9}, {8}, {7})
    assert len(found) == len(before) == 40_000
    _write_marks(lake, 9)
    assert lake.rows(target.scan()) == before


def _write_marks_forever(ready: Event, lake: Lake) -> None:
    ready.set()
    while True:
        _write_marks(lake, 8)
        _write_marks(lake, 7)


def _write_marks(lake: Lake, stars: int) -> None:
    source, target = lake.table(READINGS), lake.table(MARKS)
    engine, years = DuckDBEngine("500MB", lake.scratch / "spill", lake.storage.local), [2001, 2002]
    expr, scans = marks().mutate(stars=ibis.literal(stars, "int8")), {READINGS.name: source.scan()}
    files = engine.write(expr, scans, MARKS, target.local_root, target.new_folder(), years=years)
    target.publish(files, years=years)


@pytest.mark.integration
@pytest.mark.parametrize("exists", [False, True])
def test_a_version_that_the_disk_has_no_room_for_is_one_line_and_changes_nothing(disk_lake: Lake, exists: bool) -> None:
    table = disk_lake.table(MARKS)
    if exists:
        table.publish(put(table, SOME))
    error = error_of(_publish_many, table, largest_file=1000)
    assert error.startswith(f"PlatformError: {table.uri}: the new version could not be published: ")
    assert "File too large" in error
    assert "Mend the storage" in error
    assert not set("\n\x1b") & set(error)
    assert (table.scan().version is not None, rows(table.scan())) == (exists, SOME if exists else [])


def _publish_many(table: LakeTable) -> None:
    table.publish([_written(table, f"some-folder/year=2001/{n}.parquet", 2001) for n in range(1000)])


@pytest.mark.unit
@pytest.mark.parametrize("fault", ["checkpoint", "vacuum"])
@pytest.mark.parametrize("restored", [False, True], ids=["published", "restored"])
def test_a_version_is_published_whatever_becomes_of_keeping_house_after_it(
    disk_lake: Lake, fault: str, restored: bool, caplog: pytest.LogCaptureFixture
) -> None:
    table = disk_lake.table(MARKS)
    for _ in range(9):
        table.publish(put(table, SOME))
    left = Path(table.uri, "of-a-killed-run")
    left.touch()
    os.utime(left, (0, 0))
    # Removing a file is told to the log, in a version of its own.
    blocked = Path(
        table.uri, "_delta_log", f"{9:020}.checkpoint.parquet" if fault == "checkpoint" else f"{10:020}.json"
    )
    (blocked / "folder").mkdir(parents=True)
    other = [(name, 1, day) for name, _, day in SOME]
    assert (table.restore(0) if restored else table.publish(put(table, other), info={"run": "x"})) == 9
    assert rows(table.scan()) == (SOME if restored else other)
    (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told.startswith(
        "silver/marks: version 9 is published, but keeping house after it failed; later versions try"
    )
    assert "\n" not in told
    shutil.rmtree(blocked)
    assert left.exists()
    assert table.publish(put(table, SOME)) == 10
    assert not left.exists()


@pytest.mark.integration
def test_two_that_vacuum_at_once_are_not_in_each_others_way(disk_lake: Lake) -> None:
    """Files go while the other looks at them: of the table, and its sidecars."""
    table, rounds = disk_lake.table(MARKS), 5
    together = PROCESSES.Barrier(3)
    vacuuming = [PROCESSES.Process(target=_vacuum_often, args=(disk_lake, rounds, together)) for _ in range(2)]
    for process in vacuuming:
        process.start()
    for _ in range(rounds):
        table.publish(put(table, SOME))
        for path in (*(f"{SIDECARS}/{n}" for n in range(500)), *(table.new_folder("left") for _ in range(50))):
            file = Path(table.uri, path, "left.parquet")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        together.wait(60)  # all is there
        together.wait(60)  # all is removed
        assert list(Path(table.uri).rglob("left.parquet")) == []
    for process in vacuuming:
        process.join(60)
    assert [process.exitcode for process in vacuuming] == [0, 0]
    assert rows(table.scan()) == SOME


def _vacuum_often(lake: Lake, rounds: int, together: Barrier) -> None:
    for _ in range(rounds):
        together.wait(60)
        try:
            lake.table(MARKS).vacuum(hours=0)
        except BaseException:
            together.abort()
            raise
        together.wait(60)
