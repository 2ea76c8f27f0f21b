"""One connection to a MySQL or MariaDB server, and its faults told in two kinds.

Belongs here: how a session is set up so that answers depend on no server's settings, and which of the server's errors a
person has to mend and which may pass. Does not belong here: what is asked and loaded.

A server may answer any statement by asking for any file that the client can read; here it gets the one on offer or
none.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pymysql
from pymysql.connections import LoadLocalPacketWrapper, MySQLResult
from pymysql.constants import CR, ER

from ratings_platform.schema.errors import PassingError, PlatformError, is_disk_full
from ratings_platform.warehouse.mysql_address import MySQLAddress

# How long statements wait for other sessions that use a table before they give up (a passing fault).
_TABLE_WAIT_SECONDS = 60
# Nothing is cut or converted in silence; days are days; a session that waits for others is not dropped meanwhile.
_SETTINGS = (
    "set session sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION',"
    " time_zone = '+00:00', net_read_timeout = 3600, net_write_timeout = 3600, wait_timeout = 86400,"
    f" lock_wait_timeout = {_TABLE_WAIT_SECONDS}"
)

# Errors that the libraries do not name.
_LOCAL_INFILE_REFUSED = {ER.NOT_ALLOWED_COMMAND, 3948, 4166, 2068}
_SOCKET_AUTHENTICATION, _TLS_WANTED, _KEY_WANTED = 1698, 3159, 3750
_LOCKED, _LOCKED_MARIADB, _PASSWORD_EXPIRED, _PASSWORD_EXPIRED_AT_LOGIN = 3118, 4151, 1820, 1862
_REFERENCED_TABLE = 3730

_PRIVILEGES = "Grant SELECT, INSERT, UPDATE, CREATE, DROP and ALTER on the database to the user."
_UNLOCK = "Unlock it: ALTER USER name ACCOUNT UNLOCK."
_EXPIRED = "Give the user a new password, and the platform too: RATINGS_WAREHOUSE_PASSWORD."
_UNTIE = (
    "Drop the foreign key that was added to refer to this table (ALTER TABLE … DROP FOREIGN KEY …): "
    "a load replaces the table. Then run again."
)
_SPACE = "Free some space on the server and run again; readers still see the last version."
_REMEDIES = {
    ER.ACCESS_DENIED_ERROR: "Check user and password: RATINGS_WAREHOUSE, RATINGS_WAREHOUSE_PASSWORD.",
    _SOCKET_AUTHENTICATION: "This user logs in without a password from a shell of its own; give the platform a user "
    "with a password.",
    # Also what the server says of a database that is not there, to a user who may not know.
    ER.DBACCESS_DENIED_ERROR: f"Check the name of the database in RATINGS_WAREHOUSE. If it is right: {_PRIVILEGES}",
    ER.TABLEACCESS_DENIED_ERROR: _PRIVILEGES,
    ER.COLUMNACCESS_DENIED_ERROR: _PRIVILEGES,
    ER.SPECIFIC_ACCESS_DENIED_ERROR: _PRIVILEGES,
    ER.BAD_DB_ERROR: "Create it: CREATE DATABASE name CHARACTER SET utf8mb4, or correct RATINGS_WAREHOUSE.",
    ER.NO_SUCH_TABLE: "Load the warehouse first: ratings-platform run",
    ER.UNKNOWN_COLLATION: "The server is too old: MySQL 8.0.17 or MariaDB 10.11 and later will do.",
    ER.DISK_FULL: _SPACE,
    ER.RECORD_FILE_FULL: _SPACE,
    ER.CANT_CREATE_TABLE: "The server's log says more.",
    ER.ROW_IS_REFERENCED_2: _UNTIE,
    _REFERENCED_TABLE: _UNTIE,
    _LOCKED: _UNLOCK,
    _LOCKED_MARIADB: _UNLOCK,
    _PASSWORD_EXPIRED: _EXPIRED,
    _PASSWORD_EXPIRED_AT_LOGIN: _EXPIRED,
    CR.CR_SSL_CONNECTION_ERROR: "Switch on TLS on the server, or set ssl=preferred in the address.",
    _TLS_WANTED: "Set ssl=required in the address.",
    _KEY_WANTED: "Switch sql_require_primary_key off: tables cut by year have no key.",
}
_PASSING = {
    CR.CR_SERVER_GONE_ERROR,
    CR.CR_SERVER_LOST,
    CR.CR_CONN_HOST_ERROR,
    CR.CR_CONNECTION_ERROR,
    ER.LOCK_DEADLOCK,
    ER.LOCK_WAIT_TIMEOUT,
    ER.CON_COUNT_ERROR,
    ER.SERVER_SHUTDOWN,
    ER.TOO_MANY_USER_CONNECTIONS,
    ER.USER_LIMIT_REACHED,
    ER.TABLE_DEF_CHANGED,
    ER.QUERY_INTERRUPTED,
    1927,  # killed, in MariaDB's words
    ER.NEW_ABORTING_CONNECTION,
}


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
    with told_faults(address):
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


def refuses_local_infile(error: pymysql.err.MySQLError) -> bool:
    return _code(error) in _LOCAL_INFILE_REFUSED


@contextmanager
def told_faults(address: MySQLAddress) -> Iterator[None]:
    """Turn the server's errors into a PlatformError with a remedy or a PassingError; unknown ones stay as they are."""
    try:
        yield
    except pymysql.err.MySQLError as error:
        found = _fault(error, address)
        if found is None:
            raise
        raise found from error


def _fault(error: pymysql.err.MySQLError, address: MySQLAddress) -> Exception | None:
    code, cause = _code(error), getattr(error, "original_exception", None)
    words = " ".join(str(error.args[-1]).split()) if error.args else "the connection is gone"
    if isinstance(cause, ssl.SSLError):
        return PlatformError(
            f"the server's TLS certificate is not accepted ({cause.reason or cause})",
            file=address.uri,
            remedy="Give the authority that signed it as ssl_ca, or another ssl mode, in the address.",
        )
    if isinstance(cause, socket.gaierror) and cause.errno != socket.EAI_AGAIN:
        return PlatformError(
            f"the host is not known ({cause.strerror})", file=address.uri, remedy="Correct RATINGS_WAREHOUSE."
        )
    if code in _REMEDIES:
        remedy = _SPACE if is_disk_full(error) else _REMEDIES[code]
        return PlatformError(f"{words} (error {code})", file=address.uri, remedy=remedy)
    # Without a number: a connection that was closed before, or an answer that breaks off.
    if code in _PASSING or isinstance(error, pymysql.err.InterfaceError):
        return PassingError(f"{address.uri}: {words} (error {code})")
    return None


def _code(error: pymysql.err.MySQLError) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0
