"""Migrations of a real server: what they make, what they keep, what is told, under other processes and other hands."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.study import Study
from ratings_platform.schema.tables import Column, Table
from ratings_platform.studies.market_study.study import STUDY
from ratings_platform.warehouse.mysql import MySQLWarehouse
from ratings_platform.warehouse.mysql_migrations import write
from ratings_platform_tests.conftest import environment
from ratings_platform_tests.lake.samples import MARKS, PROCESSES, READINGS
from ratings_platform_tests.test_cli import Call, call
from ratings_platform_tests.warehouse.mysql_server import MySQLServer, Password, content, database_of, tables
from ratings_platform_tests.warehouse.samples import OLD, as_marks, scan, study_of

__all__ = ["call"]

pytestmark = pytest.mark.integration

NOTE = Column("note", "string", 'Said at 10:30, as :name, {so}, 100 %, C:\\x, "so".', nullable=True)
COUNT = Column("count", "int32", "How often; 0 where nobody counted.")
LATER = replace(MARKS, columns=(NOTE, *MARKS.columns, COUNT), indexes=(("day",),))


@pytest.fixture
def warehouse(server: MySQLServer) -> MySQLWarehouse:
    return server.new_warehouse()


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Two tables, and the migration that makes them."""
    found = study_of(tmp_path / "migrations", MARKS, READINGS)
    write(found, "the tables")
    return found


def later(study: Study, marks: Table = LATER) -> Study:
    """The study with a migration more, to another declaration of MARKS."""
    found = study_of(study.migrations, marks, READINGS)
    _, by_hand = write(found, "change marks")
    assert by_hand == []
    return found


def applied(warehouse: MySQLWarehouse, study: Study) -> list[tuple[str, bool]]:
    return [(migration.number, migration.applied) for migration in warehouse.migrations(study)]


# --- what they make and keep ------------------------------------------------------------------------------------------


def test_all_migrations_give_the_declared_tables(server: MySQLServer, warehouse: MySQLWarehouse) -> None:
    """When this fails, a declaration has changed, or the way in which tables are made, and no migration follows it."""
    done = warehouse.migrate(STUDY)
    assert [migration.number for migration in done] == [m.number for m in warehouse.migrations(STUDY)]
    assert warehouse.drift(STUDY) == []
    own = ["market_study_migrations", "market_study_migrations_checksums"]
    assert tables(server, warehouse) == sorted([*(t.name for t in STUDY.warehouse_tables), *own])
    assert warehouse.migrate(STUDY) == []


def test_comments_arrive_as_declared(warehouse: MySQLWarehouse, study: Study) -> None:
    warehouse.migrate(later(study))
    ddl = warehouse.ddl(LATER)
    for text in (MARKS.description, NOTE.description):
        assert text.replace("'", "''").replace("\\", "\\\\") in ddl


def test_a_database_that_has_the_tables_is_adopted(warehouse: MySQLWarehouse, study: Study, tmp_path: Path) -> None:
    warehouse.load(MARKS, scan(tmp_path, OLD))
    assert [m.number for m in warehouse.migrate(study)] == ["0001"]
    assert warehouse.drift(study) == []
    assert content(warehouse) == as_marks(*OLD)


def test_data_survives_and_loads_fill_what_is_new(warehouse: MySQLWarehouse, study: Study, tmp_path: Path) -> None:
    warehouse.migrate(study)
    warehouse.load(MARKS, scan(tmp_path, OLD))
    wider = replace(LATER, columns=tuple(replace(c, type="int64") if c.name == "stars" else c for c in LATER.columns))
    assert [str(migration) for migration in warehouse.migrate(later(study, wider))] == ["0002 change marks"]
    assert warehouse.drift(study_of(study.migrations, wider, READINGS)) == []
    assert content(warehouse) == as_marks(*OLD)
    sql = "select note, count from marks order by day"
    assert [tuple(row.values()) for row in warehouse.query(sql).to_pylist()] == [(None, 0)] * 3
    file = tmp_path / "year=2002" / "new.parquet"
    file.parent.mkdir()
    row = {"note": "so", "name": "x", "stars": 2**40, "day": date(2002, 1, 1), "count": 7}
    pq.write_table(pa.Table.from_pylist([row]), file)
    found = Scan(wider, str(tmp_path), (DataFile("year=2002/new.parquet", 1, 1, year=2002),))
    assert warehouse.load(wider, found, [2002]) == 1
    assert [tuple(row.values()) for row in warehouse.query(sql).to_pylist()] == [(None, 0), ("so", 7), (None, 0)]
    assert content(warehouse) == as_marks(OLD[0], ("x", 2**40, date(2002, 1, 1)), OLD[2])


def test_each_study_has_its_own_numbers(warehouse: MySQLWarehouse, study: Study) -> None:
    warehouse.migrate(study)
    other = replace(study, name="other")
    assert applied(warehouse, other) == [("0001", False)]
    warehouse.migrate(other)
    assert applied(warehouse, later(study)) == [("0001", True), ("0002", False)]


def test_nothing_pending_costs_one_question(server: MySQLServer, warehouse: MySQLWarehouse, study: Study) -> None:
    warehouse.migrate(study)
    with warehouse.kept_open(read_only=True):
        asked = [int(warehouse.query("show session status like 'Questions'")["Value"][0].as_py())]
        assert warehouse.migrate(study) == []
        asked.append(int(warehouse.query("show session status like 'Questions'")["Value"][0].as_py()))
    assert asked[1] - asked[0] == 2  # one of them is this question itself


# --- edited files -----------------------------------------------------------------------------------------------------


def _edit(study: Study, number: str = "0001") -> Path:
    """Change what a migration does, as nobody should after it was applied."""
    assert study.migrations
    (file,) = study.migrations.glob(f"{number}_*.py")
    file.write_text(file.read_text().replace("`stars` TINYINT", "`stars` SMALLINT"))
    return file


def edited(warehouse: MySQLWarehouse, study: Study) -> list[str]:
    return [migration.number for migration in warehouse.migrations(study) if migration.edited]


def test_a_migration_that_was_edited_after_it_was_applied_is_told_when_tables_are_loaded(
    warehouse: MySQLWarehouse, study: Study, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse.migrate(study)
    assert edited(warehouse, study) == []
    before = _edit(study).read_text()
    assert edited(warehouse, study) == ["0001"]
    for _ in range(2):
        caplog.clear()
        assert warehouse.migrate(study) == []
        (told,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert told.startswith(f"{warehouse.uri}: migration 0001 the tables was edited after it was applied. Put the ")
        assert "\n" not in told
    # What comes later is applied all the same: the tables are compared with their declaration at each load.
    after = later(study)
    assert [m.number for m in warehouse.migrate(after)] == ["0002"]
    assert edited(warehouse, after) == ["0001"]
    _edit_back(study, before)
    assert edited(warehouse, after) == []


def _edit_back(study: Study, text: str) -> None:
    assert study.migrations
    (file,) = study.migrations.glob("0001_*.py")
    file.write_text(text.replace("`stars` SMALLINT", "`stars` TINYINT"))


def test_how_lines_end_does_not_count(warehouse: MySQLWarehouse, study: Study) -> None:
    warehouse.migrate(study)
    assert study.migrations
    (file,) = study.migrations.glob("0001_*.py")
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    assert edited(warehouse, study) == []


def test_a_pending_migration_may_be_edited(warehouse: MySQLWarehouse, study: Study) -> None:
    warehouse.migrate(study)
    after = later(study)
    assert study.migrations
    (file,) = study.migrations.glob("0002_*.py")
    file.write_text(file.read_text() + "\n# Looked through.\n")
    assert edited(warehouse, after) == []
    assert [m.number for m in warehouse.migrate(after)] == ["0002"]
    assert edited(warehouse, after) == []


def test_a_warehouse_of_before_without_checksums_is_adopted_as_it_is(
    server: MySQLServer, warehouse: MySQLWarehouse, study: Study, tmp_path: Path
) -> None:
    warehouse.migrate(study)
    warehouse.load(MARKS, scan(tmp_path, OLD))
    server.run("drop table throw_away_migrations_checksums", database_of(warehouse))
    assert applied(warehouse, study) == [("0001", True)]
    assert tables(server, warehouse) == ["marks", "readings", "throw_away_migrations"]  # asking writes nothing
    assert [m.number for m in warehouse.migrate(later(study))] == ["0002"]
    assert edited(warehouse, study_of(study.migrations, LATER, READINGS)) == []
    _edit(study)
    assert edited(warehouse, study_of(study.migrations, LATER, READINGS)) == ["0001"]
    assert content(warehouse) == as_marks(*OLD)


# --- under other processes --------------------------------------------------------------------------------------------


def test_two_at_once_apply_each_migration_once(server: MySQLServer) -> None:
    address, password = server.new_address()
    with ThreadPoolExecutor(2) as pool:
        migrate = [MySQLWarehouse(address, password, "500MB").migrate] * 2
        done = [running.result() for running in [pool.submit(m, STUDY) for m in migrate]]
    assert sorted(map(len, done)) == [0, 1]
    assert MySQLWarehouse(address, password, "500MB").drift(STUDY) == []


def test_a_load_under_way_is_waited_for(server: MySQLServer, study: Study) -> None:
    warehouse = server.new_warehouse(lock_wait=0.5)
    with server.connect() as rival:
        rival.cursor().execute(f"select get_lock('ratings_platform.{database_of(warehouse)}.readings', 0)")
        with pytest.raises(PlatformError, match=r"readings is being loaded or changed by another run \(connection "):
            warehouse.migrate(study)
        assert tables(server, warehouse) == []
    assert len(warehouse.migrate(study)) == 1


_KILLED = '''"""Three changes, with a moment to be killed in before each and after the last.

Belongs here: these. Does not belong here: others.
"""

import os
import signal
from pathlib import Path

from alembic import op

revision, down_revision = "0002", "0001"
STATEMENTS = (
    "ALTER TABLE marks ADD COLUMN `count` INT NOT NULL",
    "ALTER TABLE marks ADD INDEX by_day (day)",
    "ALTER TABLE marks ADD COLUMN note MEDIUMTEXT NULL FIRST",
)


def upgrade() -> None:
    moments = Path(__file__).with_name("moment")
    for moment, statement in enumerate((*STATEMENTS, "DO 0")):
        if moments.exists() and moments.read_text() == str(moment):
            os.kill(os.getpid(), signal.SIGKILL)
        op.execute(statement)
'''


def test_a_migration_killed_at_any_moment_is_applied_again(
    warehouse: MySQLWarehouse, study: Study, tmp_path: Path
) -> None:
    warehouse.migrate(study)
    warehouse.load(MARKS, scan(tmp_path, OLD))
    folder = tmp_path / "migrations"
    (folder / "0002_three.py").write_text(_KILLED)
    after = study_of(folder, LATER, READINGS)
    for moment in (1, 3):
        (folder / "moment").write_text(str(moment))
        process = PROCESSES.Process(target=_migrate, args=(warehouse, folder))
        process.start()
        process.join()
        assert process.exitcode == -9
        assert applied(warehouse, after) == [("0001", True), ("0002", False)]
    (folder / "moment").unlink()
    assert [m.number for m in warehouse.migrate(after)] == ["0002"]
    assert warehouse.drift(after) == []
    assert content(warehouse) == as_marks(*OLD)


def _migrate(warehouse: MySQLWarehouse, folder: Path) -> None:
    warehouse.migrate(study_of(folder, LATER, READINGS))


def test_a_server_that_has_had_more_is_left_alone(warehouse: MySQLWarehouse, study: Study) -> None:
    warehouse.migrate(later(study))
    assert study.migrations
    next(study.migrations.glob("0002_*.py")).unlink()
    for use in (warehouse.migrations, warehouse.migrate):
        with pytest.raises(PlatformError, match="throw-away are at migration 0002, which this version"):
            use(study)


def test_a_migration_that_fails_is_named(warehouse: MySQLWarehouse, study: Study, tmp_path: Path) -> None:
    after = later(study)
    text = _KILLED.replace('"0002", "0001"', '"0003", "0002"').replace("marks ADD INDEX", "marks AD INDEX")
    (tmp_path / "migrations" / "0003_wrong.py").write_text(text)
    with pytest.raises(PlatformError, match=r"migration 0003 \(Three changes, .*\) failed: .*error 1064\)") as caught:
        warehouse.migrate(after)
    assert "\n" not in str(caught.value)
    assert applied(warehouse, after) == [("0001", True), ("0002", True), ("0003", False)]


# --- rights and secrets -----------------------------------------------------------------------------------------------


def test_update_is_needed_for_the_second_migration(
    server: MySQLServer, warehouse: MySQLWarehouse, study: Study
) -> None:
    name = database_of(warehouse)
    server.run(f"revoke update on {name}.* from '{name}'@'%'")
    warehouse.migrate(study)
    after = later(study)
    with pytest.raises(PlatformError, match=r"UPDATE command denied .*\(error 1142\)\. Grant SELECT, INSERT, UPDATE"):
        warehouse.migrate(after)
    server.run(f"grant update on {name}.* to '{name}'@'%'")
    assert [m.number for m in warehouse.migrate(after)] == ["0002"]
    assert warehouse.drift(after) == []


def test_the_password_is_not_told(server: MySQLServer, study: Study, caplog: pytest.LogCaptureFixture) -> None:
    address, password = server.new_address("SELECT, INSERT")
    told = []
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(PlatformError, match=r"CREATE command denied") as caught:
            MySQLWarehouse(address, password, "500MB").migrate(study)
        told.append(str(caught.value))
        with pytest.raises(PlatformError, match="error 1045") as caught:
            MySQLWarehouse(address, Password("wr0ng"), "500MB").migrate(study)
        told.append(str(caught.value))
    assert "Context impl MySQLImpl" in caplog.text
    for text in (*told, caplog.text):
        assert password.text not in text
        assert "wr0ng" not in text


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.fixture
def fresh(server: MySQLServer, tmp_path: Path) -> Iterator[str]:
    """The settings of an empty database; its name."""
    address, password = server.new_address()
    where = f"mysql://{address.user}@127.0.0.1:{address.port}/{address.database}"
    with environment(tmp_path, home=tmp_path / "home", warehouse=where, warehouse_password=password.text):
        yield address.database


def test_migrations_are_listed_applied_and_checked(call: Call, server: MySQLServer, fresh: str) -> None:
    listed, checked = call("migrations", "list"), call("migrations", "check")
    assert [line.split() for line in listed.out.splitlines()[1:2]] == [["0001", "The", "tables", "pending"]]
    assert (checked.status, checked.out) == (1, "")
    *pending, last = checked.err.splitlines()
    assert pending[0] == "pending: 0001 The tables"
    assert last.endswith(f"/{fresh}: migrations are pending. Run: ratings-platform migrations apply")
    assert "applied: 0001 The tables" in call("migrations", "apply").out
    assert call("migrations", "apply").out == "nothing is pending\n"
    assert "pending" not in call("migrations", "list").out
    checked = call("migrations", "check")
    assert (checked.status, checked.out) == (0, f"{len(STUDY.warehouse_tables)} tables are as declared\n")


def test_what_was_changed_by_hand_is_told(call: Call, server: MySQLServer, fresh: str) -> None:
    call("migrations", "apply")
    server.run("alter table dim_time modify month bigint null, add column note int, drop column quarter", fresh)
    server.run("alter table fact_rating drop index by_time_key", fresh)
    server.run("alter table fact_rating remove partitioning", fresh)
    server.run("drop table i1_films", fresh)
    server.run("alter table product_totals add constraint some check (ratings >= 0)", fresh)
    to_products = "foreign key (product_key) references dim_product (product_key)"
    server.run(f"alter table product_totals add constraint to_products {to_products}", fresh)
    checked = call("migrations", "check")
    assert (checked.status, checked.out) == (1, "")
    *lines, last = checked.err.replace("(11)", "").replace("(20)", "").splitlines()
    assert sorted(lines) == [
        "table dim_product: constraint to_products of table product_totals is FOREIGN KEY to it, declared nowhere",
        "table dim_time: column month is bigint, declared int not null",
        "table dim_time: column note is int, declared nowhere",
        "table dim_time: column quarter is missing, declared int not null",
        "table fact_rating: index by_time_key is missing, declared time_key",
        "table fact_rating: its partitioning is none, declared LIST of year",
        "table i1_films: it is missing",
        "table product_totals: constraint some is CHECK, declared nowhere",
        "table product_totals: constraint to_products is FOREIGN KEY, declared nowhere",
    ]
    assert "the tables are not as declared. Undo what was changed by hand; " in last
    assert not [name for (name,) in server.run("show tables", fresh) if "__" in name]


def test_edited_migrations_are_listed_and_fail_the_check(call: Call, server: MySQLServer, fresh: str) -> None:
    call("migrations", "apply")
    server.run("update market_study_migrations_checksums set checksum = repeat('0', 64)", fresh)
    listed = call("migrations", "list")
    assert listed.status == 0
    assert listed.out.splitlines()[1].endswith("applied, edited since")
    assert listed.err.startswith("ratings-platform: migration 0001 The tables was edited after it was applied. Put the")
    assert listed.err.count("\n") == 1
    checked = call("migrations", "check")
    assert (checked.status, checked.out) == (1, "")
    *lines, last = checked.err.splitlines()
    assert lines == ["edited: 0001 The tables"]
    assert "migrations were edited after they were applied. Put the file back as it was, and write what is to" in last


@pytest.mark.parametrize("command", ["list", "apply", "check"])
def test_a_duckdb_warehouse_has_no_migrations(call: Call, tmp_path: Path, command: str) -> None:
    with environment(tmp_path, home=tmp_path / "home"):
        said = call("migrations", command)
    assert (said.status, said.err) == (0, "")
    assert said.out == "a DuckDB warehouse has no migrations: its tables are made when they are loaded\n"


def test_words_that_would_break_the_file_are_refused(study: Study) -> None:
    assert study.migrations
    after, before = study_of(study.migrations, LATER, READINGS), sorted(study.migrations.iterdir())
    for words in ("", " ", "C:\\new", 'a "quoted" word', "two\nlines", "\0"):
        with pytest.raises(PlatformError, match=r"cannot name a migration\. Say in one line"):
            write(after, words)
    assert sorted(study.migrations.iterdir()) == before
    write(after, "the table's 100 % of ${so} {x}; Łódź")
    assert "".join(p.name for p in study.migrations.glob("0002*"))


def test_a_migration_that_is_not_python_is_named(warehouse: MySQLWarehouse, study: Study) -> None:
    assert study.migrations
    file = study.migrations / "0002_torn.py"
    file.write_text('"""Torn."""\nrevision, down_revision = "0002", "0001"\ndef upgrade(:\n')
    with pytest.raises(PlatformError, match=rf"{file}, line 3: the migration is not Python \(") as caught:
        warehouse.migrate(study)
    assert "\n" not in str(caught.value)


def test_new_writes_nothing_when_nothing_changed(call: Call, tmp_path: Path) -> None:
    with environment(tmp_path, home=tmp_path / "home"):
        said = call("migrations", "new", "add a column")
    assert said.status == 1
    assert "the declared tables have not changed since the last migration" in said.err
