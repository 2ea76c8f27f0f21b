"""One connection to a MySQL or MariaDB server.

Belongs here: how a session is set up so that answers depend on no server's settings. Does not belong here: what is
asked and loaded, and what the server's errors mean (`mysql_faults`).

A server may answer any statement by asking for any file that the client can read; here it gets the one on offer or
none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pymysql
from pymysql.connections import LoadLocalPacketWrapper, MySQLResult

from ratings_platform.schema.errors import PlatformError
from ratings_platform.warehouse.mysql_address import MySQLAddress
from ratings_platform.warehouse.mysql_faults import as_platform_errors

# How long statements wait for other sessions that use a table before they give up (a passing fault).
_TABLE_WAIT_SECONDS = 60
# Nothing is cut or converted in silence; days are days; a session that waits for others is not dropped meanwhile.
_SETTINGS = (
    "set session sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION',"
    " time_zone = '+00:00', net_read_timeout = 3600, net_write_timeout = 3600, wait_timeout = 86400,"
    f" lock_wait_timeout = {_TABLE_WAIT_SECONDS}"
)


class Connection(pymysql.Connection):
    """Sends the server the local file on offer and no other."""

    local_file: str | None = None

    def _read_query_result(self, unbuffered: bool = False) -> int:
        self._result = None
        result = _Result(self)
        if unbuffered:
            result.init_unbuffered_query()
        else:
            result.read()
        self._result = result
        if result.server_status is not None:
            self.server_status = result.server_status
        return int(result.affected_rows or 0)


class _Result(MySQLResult):
    def _read_load_local_packet(self, first_packet: Any) -> None:
        wanted = os.fsdecode(LoadLocalPacketWrapper(first_packet).filename)
        if wanted != self.connection.local_file:
            # Even an empty answer would tell the server to go on.
            self.connection._force_close()
            raise PlatformError(
                f"the server asked for the file {wanted!r} of this machine; nothing was sent",
                file=self.connection.host_info,
                remedy="Find out whose server this is. ssl=verify-identity in the address makes sure of it.",
            )
        super()._read_load_local_packet(first_packet)


class Session:
    """A connection that is set up, with the few ways in which it is used."""

    def __init__(self, connection: Connection, collation: str):
        self.connection, self.collation = connection, collation

    @property
    def is_mariadb(self) -> bool:
        return _is_mariadb(self.connection)

    def execute(self, sql: str, values: Sequence[Any] | None = None) -> int:
        """Run a statement; returns the rows that it touched."""
        with self.connection.cursor() as cursor:
            return cursor.execute(sql, values)

    def fetch(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return list(cursor.fetchall())

    def value(self, sql: str, *values: Any) -> Any:
        return self.fetch(sql, *values)[0][0]


@contextmanager
def session(address: MySQLAddress, password: Callable[[], str], *, local_infile: bool = False) -> Iterator[Session]:
    """A connection for a block; faults inside the block are told in the platform's words.

    The password is asked for now and kept nowhere.
    """
    with as_platform_errors(address):
        connection = _connect(address, password, local_infile)
        try:
            collation = "utf8mb4_nopad_bin" if _is_mariadb(connection) else "utf8mb4_0900_bin"
            connection.set_character_set("utf8mb4", collation)
            opened = Session(connection, collation)
            # MySQL else tells sizes as they were a day ago.
            opened.execute(_SETTINGS + ("" if opened.is_mariadb else ", information_schema_stats_expiry = 0"))
            yield opened
        finally:
            if connection.open:
                connection.close()


def _connect(address: MySQLAddress, password: Callable[[], str], local_infile: bool) -> Connection:
    return Connection(
        host=address.host,
        port=address.port,
        unix_socket=address.socket,
        user=address.user,
        # As MySQL's own clients send it; the library would take it for Latin-1.
        password=password().encode(),
        database=address.database,
        charset="utf8mb4",
        autocommit=True,
        local_infile=local_infile,
        ssl=address.tls(),
        ssl_disabled=address.ssl == "disabled",
        connect_timeout=address.connect_timeout,
        read_timeout=address.read_timeout,
        write_timeout=address.write_timeout,
        program_name="ratings-platform",
    )


def _is_mariadb(connection: Connection) -> bool:
    return "mariadb" in connection.get_server_info().lower()
