"""The warehouse in a real server under other processes: readers, rival loads, loaders killed, servers that go away."""

from __future__ import annotations

import os
import re
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest

from ratings_platform.lake.tables import LakeTable
from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.files import Scan
from ratings_platform.schema.tables import Table
from ratings_platform.studies.market_study.study import STUDY
from ratings_platform.warehouse import mysql_loading
from ratings_platform.warehouse.mysql import MySQLWarehouse
from ratings_platform_tests.lake.samples import (
    MARKS,
    PROCESSES,
    READINGS,
    Row,
    error_of,
    killed_while_running,
    put,
    readings,
    seconds,
)
from ratings_platform_tests.studies.market_study.test_answers import DATA, TABLES, connect
from ratings_platform_tests.warehouse.mysql_server import (
    MySQLServer,
    content,
    database_of,
    tables,
)
from ratings_platform_tests.warehouse.samples import NEW, OLD, as_marks, scan
from ratings_platform_tests.warehouse.test_mysql import scan_of_rows

pytestmark = pytest.mark.integration

YEARS = [2001, 2002, 2003, 2004]
MARKS = replace(MARKS, indexes=(("day",),))
READINGS = replace(READINGS, indexes=(("day",),))


def scan_of(table: Table, folder: Path, rows: list[Row]) -> Scan:
    lake = LakeTable(str(folder), table)
    lake.publish(put(lake, rows))
    return lake.scan()


def nines(count: int) -> list[Row]:
    """As many readings in the same years, with other stars: a mixture would show."""
    return [(name, 9, day) for name, _, day in readings(YEARS, count)]


# --- readers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_year", [True, False], ids=["year by year", "whole"])
def test_a_reader_never_sees_part_of_a_year(server: MySQLServer, tmp_path: Path, by_year: bool) -> None:
    warehouse = server.new_warehouse()
    few, many = (scan_of(MARKS, tmp_path / str(n), readings(YEARS, n)) for n in (3000, 5000))
    warehouse.load(MARKS, few)
    here, there = PROCESSES.Pipe()
    reader = PROCESSES.Process(target=_count_until_told, args=(warehouse, "marks", there))
    reader.start()
    assert here.recv() == "ready"
    for found in (many, few) * 2:
        if by_year:
            for year in YEARS:
                warehouse.load(MARKS, found.of_years([year]), [year])
        else:
            warehouse.load(MARKS, found)
    here.send("stop")
    seen = here.recv()
    reader.join()
    assert len(seen) > 50
    assert {count for counts in seen for count in counts.values()} == {3000, 5000}
    assert {tuple(counts) for counts in seen} == {tuple(YEARS)}
    mixed = [counts for counts in seen if len(set(counts.values())) == 2]
    assert mixed, "the reader saw no back-fill under way"


def test_a_reader_never_sees_part_of_a_whole_table(server: MySQLServer, tmp_path: Path) -> None:
    warehouse = server.new_warehouse()
    few, many = (scan_of(READINGS, tmp_path / str(n), readings([2001], n)) for n in (3000, 5000))
    warehouse.load(READINGS, few)
    here, there = PROCESSES.Pipe()
    reader = PROCESSES.Process(target=_count_until_told, args=(warehouse, "readings", there))
    reader.start()
    assert here.recv() == "ready"
    for found in (many, few) * 4:
        warehouse.load(READINGS, found)
    here.send("stop")
    seen = here.recv()
    reader.join()
    assert len(seen) > 50
    assert {tuple(counts.values()) for counts in seen} == {(3000,), (5000,)}


def _count_until_told(warehouse: MySQLWarehouse, table: str, pipe: Connection) -> None:
    """All counts by year that one reader saw, over one connection and over new ones."""
    sql = f"select year(day) as year, count(*) as n from {table} group by 1 order by 1"
    seen: list[dict[int, int]] = []

    def look() -> None:
        found = warehouse.query(sql)
        seen.append(dict(zip(found["year"].to_pylist(), found["n"].to_pylist(), strict=True)))

    look()
    pipe.send("ready")
    while not pipe.poll():
        look()
        with warehouse.kept_open(read_only=True):
            for _ in range(5):
                look()
    pipe.send(seen)


# --- loaders that die -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def before_and_other(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scan, Scan]:
    place = tmp_path_factory.mktemp("many")
    return scan_of(MARKS, place / "before", readings(YEARS, 6000)), scan_of(MARKS, place / "other", nines(6000))


@pytest.mark.parametrize("years", [None, YEARS[:2]], ids=["whole", "years"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.9, 1.6])
def test_a_load_killed_at_any_moment_leaves_whole_years(
    server: MySQLServer,
    before_and_other: tuple[Scan, Scan],
    years: list[int] | None,
    part: float,
) -> None:
    """After some part of the time that a load takes."""
    warehouse, (before, other) = server.new_warehouse(), before_and_other
    taken = seconds(lambda: warehouse.load(MARKS, before))
    whole = content(warehouse)
    killed_while_running(_load_forever, warehouse, MARKS, other, before, years, after=part * taken)
    found = content(warehouse)
    kinds = {year: {row[1] == 9 for row in found if row[3] == year} for year in YEARS}
    assert all(len(kind) == 1 for kind in kinds.values())
    assert years is None or kinds[2003] == kinds[2004] == {False}
    assert len(found) == len(whole)
    warehouse.load(MARKS, before if years is None else before.of_years(years), years)
    assert content(warehouse) == whole
    assert tables(server, warehouse) == ["marks"]


@pytest.mark.parametrize("part", [0.1, 0.4, 0.7, 1, 1.7])
def test_a_whole_table_survives_a_killed_load(server: MySQLServer, tmp_path: Path, part: float) -> None:
    warehouse = server.new_warehouse()
    few, many = (scan_of(READINGS, tmp_path / str(n), readings([2001], n)) for n in (20_000, 40_000))
    taken = seconds(lambda: warehouse.load(READINGS, few))
    killed_while_running(_load_forever, warehouse, READINGS, many, few, None, after=part * taken)
    assert warehouse.row_count(READINGS) in (20_000, 40_000)
    for found, count in ((few, 20_000), (many, 40_000)):
        assert warehouse.load(READINGS, found) == count == warehouse.row_count(READINGS)
    assert tables(server, warehouse) == ["readings"]


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_the_first_load_may_be_killed(server: MySQLServer, before_and_other: tuple[Scan, Scan], part: float) -> None:
    warehouse, (found, _) = server.new_warehouse(), before_and_other
    taken = seconds(lambda: server.new_warehouse().load(MARKS, found))
    killed_while_running(_load_forever, warehouse, MARKS, found, found, None, after=part * taken)
    assert warehouse.load(MARKS, found) == 24_000 == warehouse.row_count(MARKS)
    assert tables(server, warehouse) == ["marks"]


STUDY_TABLES = [STUDY.tables[name] for name in (*STUDY.warehouse, "q02_catalogue_overlap")]


@pytest.mark.parametrize("table", STUDY_TABLES, ids=lambda table: table.name)
def test_a_killed_load_of_each_table_is_made_good_by_the_next(
    server: MySQLServer, tmp_path: Path, table: Table
) -> None:
    con = connect(*DATA["seed 1"])
    expr = next((q.expression(TABLES, {}) for q in STUDY.questions if q.table is table), None)
    rows = con.to_pyarrow(con.table(table.name) if expr is None else expr)
    found = scan_of_rows(table, rows.cast(table.arrow_schema), tmp_path / table.name)
    undisturbed, warehouse = server.new_warehouse(), server.new_warehouse()
    assert undisturbed.load(table, found) == rows.num_rows > 0
    side = re.compile(table.name + (r"__\d+" if table.partition_by else "__new"))
    process = PROCESSES.Process(target=_load_and_stop_half_way, args=(warehouse, table, found))
    process.start()
    user = database_of(warehouse)
    loading = f"select 1 from information_schema.processlist where user = '{user}' and info like 'LOAD DATA%'"
    deadline = time.monotonic() + 60
    while not (server.run(loading) and any(map(side.fullmatch, tables(server, warehouse)))):
        assert process.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert any(map(side.fullmatch, tables(server, warehouse)))
    assert warehouse.load(table, found) == rows.num_rows
    assert tables(server, warehouse) == [table.name]
    one, other = (sorted(map(str, w.rows(table.unbound()).to_pylist())) for w in (warehouse, undisturbed))
    assert one == other
    assert warehouse.ddl(table) == undisturbed.ddl(table)


def _load_and_stop_half_way(warehouse: MySQLWarehouse, table: Table, found: Scan) -> None:
    """A load whose rows stop coming: half of them are on their way to the server for ever."""

    def half(scan: Scan, writing: int, memory_limit: str) -> int:
        with tempfile.TemporaryFile() as text:
            written = write(scan, os.dup(text.fileno()), memory_limit)
            text.seek(0)
            os.write(writing, text.read(os.fstat(text.fileno()).st_size // 2))
            threading.Event().wait()
        return written

    write, mysql_loading._write_csv = mysql_loading._write_csv, half
    warehouse.load(table, found)


def _load_forever(
    ready: Event, warehouse: MySQLWarehouse, table: Table, a: Scan, b: Scan, years: list[int] | None
) -> None:
    ready.set()
    while True:
        for found in (a, b):
            warehouse.load(table, found if years is None else found.of_years(years), years)


# --- rival loads ------------------------------------------------------------------------------------------------------


def _locked(server: MySQLServer, warehouse: MySQLWarehouse):  # type: ignore[no-untyped-def]
    """Another connection that holds the lock of MARKS."""
    connection = server.connect(database_of(warehouse))
    connection.cursor().execute(f"select get_lock('ratings_platform.{database_of(warehouse)}.marks', 0)")
    return connection


def test_a_rival_is_waited_for_and_then_named(server: MySQLServer, tmp_path: Path) -> None:
    warehouse = server.new_warehouse(lock_wait=1.5)
    with _locked(server, warehouse) as rival:
        start = time.monotonic()
        with pytest.raises(
            PlatformError, match=rf"being loaded or changed by another run \(connection {rival.thread_id()} of"
        ):
            warehouse.load(MARKS, scan(tmp_path, OLD))
        assert 1.5 <= time.monotonic() - start < 10
        lake = LakeTable(str(tmp_path / "other"), READINGS)
        lake.publish(put(lake, OLD))
        assert warehouse.load(READINGS, lake.scan()) == 3
    assert warehouse.load(MARKS, scan(tmp_path, OLD)) == 3


def test_a_rival_that_ends_in_time_is_no_fault(server: MySQLServer, tmp_path: Path) -> None:
    warehouse = server.new_warehouse(lock_wait=60)
    rival, user = _locked(server, warehouse), database_of(warehouse)
    waiting = f"select 1 from information_schema.processlist where user = '{user}' and info like '%get_lock%'"
    found = scan(tmp_path, NEW)
    assert _while(lambda: server.run(waiting) != [], rival.close, lambda: str(warehouse.load(MARKS, found))) == "1"


def test_two_loads_at_once_do_not_mix(server: MySQLServer, before_and_other: tuple[Scan, Scan]) -> None:
    warehouse = server.new_warehouse(lock_wait=120)
    loaders = [PROCESSES.Process(target=_load_times, args=(warehouse, found, 3)) for found in before_and_other]
    for loader in loaders:
        loader.start()
    for loader in loaders:
        loader.join()
    assert [loader.exitcode for loader in loaders] == [0, 0]
    stars = {row[1] == 9 for row in content(warehouse)}
    assert len(stars) == 1
    assert warehouse.row_count(MARKS) == 24_000
    assert tables(server, warehouse) == ["marks"]


def _load_times(warehouse: MySQLWarehouse, found: Scan, times: int) -> None:
    for _ in range(times):
        warehouse.load(MARKS, found)


# --- servers that go away ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def very_many(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    """So many rows of a year that a load of them can be met under way."""
    return scan_of(MARKS, tmp_path_factory.mktemp("very-many"), readings([2001], 400_000))


@pytest.mark.parametrize("local_infile", [1, 0], ids=["streamed", "inserted"])
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_goes_away_during_a_load_may_pass(
    own_server: MySQLServer,
    very_many: Scan,
    tmp_path: Path,
    end: str,
    local_infile: int,
) -> None:
    warehouse = own_server.new_warehouse()
    warehouse.load(MARKS, scan(tmp_path / "old", OLD))
    own_server.run(f"set global local_infile = {local_infile}")
    found = very_many
    error = _while(
        lambda: _rows_under_way(own_server, warehouse),
        getattr(own_server, end),
        lambda: error_of(_load, warehouse, found, [2001]),
    )
    assert error.startswith("TransientError: mysql://db_1@127.0.0.1:"), error
    assert "\n" not in error
    own_server.start()
    assert content(warehouse) == as_marks(*OLD)
    warehouse.load(MARKS, scan(tmp_path / "again", NEW).of_years([2002]), [2002])
    assert content(warehouse) == as_marks(OLD[0], NEW[0], OLD[2])
    assert tables(own_server, warehouse) == ["marks"]


def test_a_connection_ended_during_a_load_may_pass(server: MySQLServer, very_many: Scan) -> None:
    warehouse, found = MySQLWarehouse(*server.new_address(write_timeout=5), "500MB"), very_many
    name = database_of(warehouse)

    def end() -> None:
        for (number,) in server.run(
            f"select id from information_schema.processlist where user = '{name}' and info like 'LOAD DATA%'"
        ):
            server.run(f"kill {number}")

    error = _while(lambda: _rows_under_way(server, warehouse), end, lambda: error_of(_load, warehouse, found, None))
    assert error.startswith("TransientError: "), error
    assert warehouse.row_count(MARKS) == 0
    assert warehouse.load(MARKS, found) == 400_000
    assert tables(server, warehouse) == ["marks"]


def _rows_under_way(server: MySQLServer, warehouse: MySQLWarehouse) -> bool:
    sql = "select count(*) from information_schema.processlist where info like 'LOAD DATA%' or info like 'INSERT%'"
    return server.run(sql) != [(0,)] and any("__2001" in name for name in tables(server, warehouse))


def _while(ready: Callable[[], bool], act: Callable[[], None], run: Callable[[], str]) -> str:
    """What `run` gives, when `act` is done while it runs and `ready` was seen."""

    def watch() -> None:
        deadline = time.monotonic() + 60
        while not ready():
            assert time.monotonic() < deadline
            time.sleep(0.005)
        act()

    watcher = threading.Thread(target=watch)
    watcher.start()
    told = run()
    watcher.join()
    return told


def _load(warehouse: MySQLWarehouse, found: Scan, years: list[int] | None) -> None:
    warehouse.load(MARKS, found, years)


def test_days_mean_the_same_in_every_time_zone(own_server: MySQLServer, tmp_path: Path) -> None:
    own_server.run("set global time_zone = '-11:00'")
    own_server.run("set global sql_mode = 'ANSI_QUOTES,PIPES_AS_CONCAT,NO_BACKSLASH_ESCAPES'")
    own_server.run("set global character_set_server = 'latin1'")
    warehouse = own_server.new_warehouse()
    warehouse.load(MARKS, scan(tmp_path, [*OLD, ("back\\slash", 1, date(2001, 1, 1))]))
    assert len(content(warehouse)) == 4
    assert ("back\\slash", 1, date(2001, 1, 1), 2001) in content(warehouse)
    assert warehouse.query("select 'a' as a, \"b\" as b").to_pylist() == [{"a": "a", "b": "b"}]
