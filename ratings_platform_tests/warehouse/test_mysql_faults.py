"""Errors of MySQL and MariaDB servers, by number and from a real one: one line each, which may pass and which not."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from pathlib import Path

import pymysql
import pytest

from ratings_platform.schema.errors import PlatformError, TransientError
from ratings_platform.schema.study import Study
from ratings_platform.warehouse.mysql import MySQLWarehouse
from ratings_platform.warehouse.mysql_address import MySQLAddress
from ratings_platform.warehouse.mysql_faults import as_platform_errors
from ratings_platform.warehouse.mysql_migrations import write
from ratings_platform_tests.lake.samples import MARKS, READINGS
from ratings_platform_tests.warehouse.mysql_server import MySQLServer, content, tables
from ratings_platform_tests.warehouse.samples import OLD, as_marks, scan, study_of
from ratings_platform_tests.warehouse.test_mysql import VALUES, values_scan

ADDRESS = MySQLAddress("h", "me", "db")
READ_ONLY = "The MySQL server is running with the --{} option so it cannot execute this statement"


def told(error: pymysql.err.MySQLError) -> PlatformError | TransientError:
    """What becomes of an error."""
    with pytest.raises((PlatformError, TransientError)) as caught, as_platform_errors(ADDRESS):
        raise error
    assert str(caught.value).startswith("mysql://me@h:3306/db: ")
    assert "\n" not in str(caught.value)
    return caught.value


# --- by number --------------------------------------------------------------------------------------------------------


@pytest.mark.unit
@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1020, "Record has changed since last read in table 'marks'"),
        (1040, "Too many connections"),
        (1047, "WSREP has not yet prepared node for application use"),
        (1159, "Got timeout reading communication packets"),
        (1205, "Lock wait timeout exceeded; try restarting transaction"),
        (1213, "Deadlock found when trying to get lock; try restarting transaction"),
        (1226, "User 'me' has exceeded the 'max_queries_per_hour' resource"),
        (1637, "Too many active concurrent transactions"),
        (2055, "Lost connection to MySQL server"),
        (3032, "The server is currently in offline mode"),
        (3058, "Deadlock found when trying to get user-level lock; try rolling back transaction"),
        (3101, "Plugin instructed the server to rollback the current transaction."),
        (4031, "The client was disconnected by the server because of inactivity."),
    ],
    ids=str,
)
def test_what_may_pass_is_tried_again(code: int, words: str) -> None:
    found = told(pymysql.err.OperationalError(code, words))
    assert isinstance(found, TransientError)
    assert str(found).endswith(f": {words.rstrip('.')} (error {code})")


@pytest.mark.unit
@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1290, READ_ONLY.format("read-only")),
        (1290, READ_ONLY.format("super-read-only")),
        (1792, "Cannot execute statement in a READ ONLY transaction."),
        (1836, "Running in read-only mode"),
        (1874, "InnoDB is in read only mode."),
    ],
    ids=["read-only", "super-read-only", "transactions", "mode", "InnoDB"],
)
def test_a_server_that_takes_no_changes_may_be_in_a_failover_and_its_other_causes_are_told(
    code: int, words: str
) -> None:
    found = told(pymysql.err.OperationalError(code, words))
    assert isinstance(found, TransientError)
    assert f"{words.rstrip('.')} (error {code}). In a failover this passes; if it stays" in str(found)
    assert "RATINGS_WAREHOUSE" in str(found)


@pytest.mark.unit
@pytest.mark.parametrize(
    ("code", "words", "remedy"),
    [
        (1005, 'Can\'t create table (errno: 13 "Permission denied")', "The server's log says more"),
        (1038, "Out of sort memory, consider increasing server sort buffer size", "more memory"),
        (1054, "Unknown column 'x' in 'field list'", "ratings-platform migrations check"),
        (1114, "The table 'marks' is full", "Free some space"),
        (1118, "Row size too large", "declaration"),
        (1130, "Host 'x' is not allowed to connect to this MySQL server", "CREATE USER"),
        (1153, "Got a packet bigger than 'max_allowed_packet' bytes", "SET GLOBAL max_allowed_packet"),
        (1197, "Multi-statement transaction required more than 'max_binlog_cache_size' bytes", "max_binlog_cache_size"),
        (1206, "The total number of locks exceeds the lock table size", "innodb_buffer_pool_size"),
        (1227, "Access denied; you need (at least one of) the SUPER privilege(s)", "Grant SELECT"),
        (1231, "Variable 'sql_mode' can't be set to the value of 'X'", "settings of a session"),
        (1290, READ_ONLY.format("skip-grant-tables"), "option that the message names"),
        (1290, READ_ONLY.format("secure-file-priv"), "option that the message names"),
        (1969, "Query execution was interrupted (max_statement_time exceeded)", "max_statement_time"),
        (3024, "Query execution was interrupted, maximum statement execution time exceeded", "max_execution_time"),
        (3098, "The table does not comply with the requirements by an external plugin.", "without a key"),
    ],
    ids=str,
)
def test_what_a_person_has_to_mend_has_its_remedy(code: int, words: str, remedy: str) -> None:
    found = told(pymysql.err.OperationalError(code, words))
    assert isinstance(found, PlatformError)
    assert found.problem == f"{words.rstrip('.')} (error {code})"
    assert remedy in found.remedy


@pytest.mark.unit
@pytest.mark.parametrize("code", [1005, 1026, 1030, 3019, 9999])
def test_a_full_disk_is_seen_by_the_words_whatever_the_number(code: int) -> None:
    found = told(pymysql.err.OperationalError(code, 'Got error 28 "No space left on device" from storage engine'))
    assert isinstance(found, PlatformError)
    assert found.remedy.startswith("Free some space on the server")


@pytest.mark.unit
@pytest.mark.parametrize("code", [1419, 1449, 1461, 3090, 4321, 9999, -3001])
def test_an_unknown_error_is_one_line_with_the_servers_words_and_its_number(code: int) -> None:
    found = told(pymysql.err.InternalError(code, "Words  of\nthe server."))
    assert isinstance(found, PlatformError)
    assert found.problem == f"Words of the server (error {code})"
    assert found.remedy.startswith("Look the number up in the server's manual")


@pytest.mark.unit
@pytest.mark.parametrize(
    "error",
    [
        pymysql.err.InternalError("Packet sequence number wrong - got 45 expected 0"),
        pymysql.err.OperationalError("received unknown auth switch request"),
        pymysql.err.MySQLError(),
    ],
    ids=["no greeting", "log in", "nothing"],
)
def test_an_error_without_a_number_sends_one_to_the_address(error: pymysql.err.MySQLError) -> None:
    found = told(error)
    assert isinstance(found, PlatformError)
    assert "error 0" not in str(found)
    assert found.remedy.startswith("Check host and port in RATINGS_WAREHOUSE")


# --- from a real server -----------------------------------------------------------------------------------------------


@pytest.fixture
def study(tmp_path: Path) -> Study:
    found = study_of(tmp_path / "migrations", MARKS, READINGS)
    write(found, "the tables")
    return found


@pytest.mark.integration
@pytest.mark.parametrize("setting", ["read_only", "tx_read_only"])
def test_a_read_only_server_may_pass_for_loads_and_migrations(
    own_server: MySQLServer, study: Study, tmp_path: Path, setting: str
) -> None:
    warehouse = own_server.new_warehouse()
    warehouse.migrate(study)
    warehouse.load(MARKS, scan(tmp_path, OLD))
    empty = own_server.new_warehouse()
    own_server.run(f"set global {setting} = 1")
    with pytest.raises(TransientError, match=r"\(error 1(290|792)\)\. In a failover this passes"):
        warehouse.load(MARKS, scan(tmp_path, OLD))
    assert content(warehouse) == as_marks(*OLD)
    with pytest.raises(
        TransientError, match=r"migration 0001 \(the tables\) failed: .*\(error 1(290|792)\)\. In a fail"
    ):
        empty.migrate(study)
    own_server.run(f"set global {setting} = 0")
    assert [migration.number for migration in empty.migrate(study)] == ["0001"]
    assert warehouse.load(MARKS, scan(tmp_path, OLD)) == 3


@pytest.fixture(params=[1, 0], ids=["streamed", "inserted"])
def small_packets(request: pytest.FixtureRequest, own_server: MySQLServer) -> MySQLWarehouse:
    """A warehouse in a server that takes no more than 16 KiB at once."""
    own_server.run(f"set global local_infile = {request.param}")
    own_server.run("set global max_allowed_packet = 16384")
    return own_server.new_warehouse()


def _texts(texts: list[str]) -> list[dict[str, object]]:
    return [dict.fromkeys(c.name for c in VALUES.columns) | {"id": n, "text": text} for n, text in enumerate(texts)]


@pytest.mark.integration
def test_rows_are_sent_in_packets_that_the_server_takes(small_packets: MySQLWarehouse, tmp_path: Path) -> None:
    rows = _texts(["x" * (n % 3000) for n in range(2000)])
    assert small_packets.load(VALUES, values_scan(tmp_path, rows)) == 2000
    found = small_packets.query("select id, length(text) as n from `values` order by id").to_pylist()
    assert [row["n"] for row in found] == [n % 3000 for n in range(2000)]


@pytest.mark.integration
def test_a_row_that_no_packet_holds_is_streamed_and_else_told(own_server: MySQLServer, tmp_path: Path) -> None:
    own_server.run("set global max_allowed_packet = 16384")
    warehouse, found = own_server.new_warehouse(), values_scan(tmp_path, _texts(["short", "x" * 60_000]))
    own_server.run("set global local_infile = 0")
    with pytest.raises(PlatformError, match=r"bigger than 'max_allowed_packet' .*\(error 1153\)\. .*local_infile=1"):
        warehouse.load(VALUES, found)
    assert tables(own_server, warehouse) == []
    own_server.run("set global local_infile = 1")
    assert warehouse.load(VALUES, found) == 2
    assert warehouse.query("select max(length(text)) as n from `values`").to_pylist() == [{"n": 60_000}]


@pytest.mark.integration
@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select nothing", r"Unknown column 'nothing' in .*\(error 1054\)\. "),
        ("selec", r"error in your SQL syntax.*\(error 1064\)\. Look the number up"),
        ("select (select 1 union select 2)", r"\(error 1242\)\. Look the number up"),
    ],
    ids=["column", "syntax", "two rows"],
)
def test_a_question_that_the_server_refuses_is_one_line(server: MySQLServer, sql: str, told: str) -> None:
    with pytest.raises(PlatformError, match=told) as caught:
        server.new_warehouse().query(sql)
    assert "\n" not in str(caught.value)


@pytest.mark.integration
def test_a_port_at_which_something_else_answers_is_told(server: MySQLServer) -> None:
    address, password = server.new_address()
    with socket.create_server(("127.0.0.1", 0)) as other:

        def greet() -> None:
            caller, _ = other.accept()
            caller.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
            caller.close()

        greeter = threading.Thread(target=greet)
        greeter.start()
        with pytest.raises(PlatformError, match="Check host and port in RATINGS_WAREHOUSE"):
            MySQLWarehouse(replace(address, port=other.getsockname()[1]), password, "500MB").columns(MARKS)
        greeter.join()
