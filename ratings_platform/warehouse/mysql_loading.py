"""Rows of the lake into one empty MySQL table, streamed.

Belongs here: the text form in which every value arrives unchanged, the stream itself, the slower way for servers that
take no local files, and the proof that all rows arrived as they are. Does not belong here: which table is loaded and
how it is published.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import lru_cache

import duckdb
import ibis.expr.datatypes as dt
import pymysql
from pymysql.constants import CR

from ratings_platform.duckdb_session import open_session
from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.files import Scan
from ratings_platform.schema.scans import scan_sql
from ratings_platform.schema.sql import literal, quoted
from ratings_platform.schema.tables import Table
from ratings_platform.warehouse.mysql_ddl import mysql_name
from ratings_platform.warehouse.mysql_faults import refuses_local_infile, refuses_rows
from ratings_platform.warehouse.mysql_session import Session

logger = logging.getLogger(__name__)

# Texts are quoted and NULL is not, so that the text 'NULL' is one; nothing is an escape but a doubled quote.
_CSV_WRITTEN = "format csv, header false, delimiter ',', quote '\"', escape '\"', nullstr 'NULL', use_tmp_file false"
_CSV_READ = "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n'"

_PIPE_BYTES = 1 << 20
# What a packet holds beside the rows: the kind of command, and the length that the server must not reach.
_PACKET_HEAD = 16
_INSERTED_ROWS = 5_000


def load_rows(session: Session, into: str, scan: Scan, memory_limit: str) -> int:
    """Load a scan's rows into the empty table `into` and prove that all arrived unchanged; returns their number.

    Raises PlatformError when they did not: the table then holds anything.
    """
    packet = int(session.value("SELECT @@max_allowed_packet"))
    # PyMySQL fills packets to its own limit, as it does statements; what is more than the server's ends the connection.
    session.connection.max_allowed_packet = packet - _PACKET_HEAD
    try:
        loaded, sent = _sent(session, into, scan, memory_limit)
    except pymysql.err.MySQLError as error:
        if refuses_rows(error):
            raise _refused(scan, str(error.args[-1])) from error
        raise
    if not loaded == sent == scan.rows:
        raise PlatformError(
            f"{loaded} of {scan.rows} rows arrived in table {into} ({sent} were sent)",
            file=scan.root,
            remedy="Nothing was published. Run again; if it stays so, materialise the table in the lake again.",
        )
    return loaded


def _sent(session: Session, into: str, scan: Scan, memory_limit: str) -> tuple[int, int]:
    """Rows loaded and sent, in the quickest way that the server allows."""
    try:
        return _stream(session, into, scan, memory_limit)
    except pymysql.err.MySQLError as error:
        if not refuses_local_infile(error):
            raise
        _tell_of_the_slow_way(session.connection.host_info)
        return _insert(session, into, scan, memory_limit)


def _stream(session: Session, into: str, scan: Scan, memory_limit: str) -> tuple[int, int]:
    """LOAD DATA from a pipe that DuckDB writes into: no temporary file, no more rows in memory than a pipe holds.

    Returns rows loaded and rows sent.

    A pipe that breaks off looks like the end of the data to the server, so its writer's faults are raised here.
    """
    reading, writing = os.pipe()
    _widen(writing)
    columns = ", ".join(mysql_name(c.name) for c in scan.table.columns)
    session.connection.local_file = f"/dev/fd/{reading}"
    with ThreadPoolExecutor(1, "rows") as pool:
        written = pool.submit(_write_csv, scan, writing, memory_limit)
        try:
            loaded = session.execute(
                f"LOAD DATA LOCAL INFILE '{session.connection.local_file}' INTO TABLE {mysql_name(into)}"
                f" CHARACTER SET utf8mb4 {_CSV_READ} ({columns})"
            )
        except AttributeError as error:
            # PyMySQL ends the transmission even on a connection that broke and that it has closed.
            if session.connection.open:
                raise
            raise pymysql.err.OperationalError(CR.CR_SERVER_LOST, "lost the connection during the load") from error
        finally:
            session.connection.local_file = None
            os.close(reading)  # a writer that is not through gets an error instead of waiting for ever
        sent = written.result()
    # With LOCAL, a server that cannot take a value changes it and warns.
    for _, code, words in session.fetch("SHOW WARNINGS LIMIT 1"):
        raise _refused(scan, f"{words} (warning {code})")
    return loaded, sent


def _write_csv(scan: Scan, writing: int, memory_limit: str) -> int:
    texts = [quoted(n) for n, dtype in scan.table.ibis_schema.items() if isinstance(dtype, dt.String)]
    forced = f", force_quote ({', '.join(texts)})" if texts else ""
    try:
        with _lake(scan, memory_limit) as lake:
            copied = lake.execute(
                f"copy ({_select(scan)}) to {literal(f'/dev/fd/{writing}')} ({_CSV_WRITTEN}{forced})"
            ).fetchone()
            return int(copied[0]) if copied else 0
    finally:
        os.close(writing)


def _insert(session: Session, into: str, scan: Scan, memory_limit: str) -> tuple[int, int]:
    """INSERTs of many rows each; rows loaded and sent. Nobody reads the table yet, so each may stand for itself."""
    names = [mysql_name(c.name).replace("%", "%%") for c in scan.table.columns]
    places = ", ".join(["%s"] * len(names))
    sql = f"INSERT INTO {mysql_name(into).replace('%', '%%')} ({', '.join(names)}) VALUES ({places})"
    loaded = sent = 0
    with _lake(scan, memory_limit) as lake, session.connection.cursor() as cursor:
        cursor.max_stmt_length = min(cursor.max_stmt_length, session.connection.max_allowed_packet)
        for batch in lake.sql(_select(scan)).to_arrow_reader(_INSERTED_ROWS):
            rows = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
            loaded += cursor.executemany(sql, rows) or 0
            sent += len(rows)
    return loaded, sent


@lru_cache(maxsize=64)
def _tell_of_the_slow_way(server: str) -> None:
    """Once for each server: a run loads many tables and years."""
    logger.warning(
        "the server (%s) takes no local files, so tables are loaded by INSERT, several times slower; to mend that, run "
        "as its administrator: SET GLOBAL local_infile=1",
        server,
    )


def _refused(scan: Scan, words: str) -> PlatformError:
    return PlatformError(
        f"the server would change or drop rows of {scan.table.name}: {words}",
        file=scan.root,
        remedy="Nothing was published. Correct the declaration of the column, or the rows in the lake.",
    )


@contextmanager
def _lake(scan: Scan, memory_limit: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB to read the lake with; the order of rows means nothing."""
    try:
        with open_session({"memory_limit": memory_limit, "preserve_insertion_order": False}) as connection:
            yield connection
    except duckdb.Error as error:
        raise PlatformError(
            f"the rows of {scan.table.path} could not be read ({str(error).splitlines()[0]})",
            file=scan.root,
            remedy=f"Materialise {scan.table.path} again; the warehouse is as it was.",
        ) from error


def _select(scan: Scan) -> str:
    columns = ", ".join(_as_mysql_reads(scan.table, name) for name in scan.table.ibis_schema)
    return f"select {columns} from ({scan_sql(scan)})"


def _as_mysql_reads(table: Table, name: str) -> str:
    """MySQL's BOOLEAN is a small number, and its DATETIME knows no time zone: a moment is then the one in UTC."""
    dtype = table.ibis_schema[name]
    if isinstance(dtype, dt.Boolean):
        return f"cast({quoted(name)} as tinyint) as {quoted(name)}"
    if isinstance(dtype, dt.Timestamp) and dtype.timezone:
        return f"cast({quoted(name)} as timestamp) as {quoted(name)}"
    return quoted(name)


def _widen(pipe: int) -> None:
    """A larger pipe means fewer switches between its two ends; where the system has a say, it says it."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        try:
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            logger.debug("the system keeps pipes at their usual size")
