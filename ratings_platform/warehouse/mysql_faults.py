"""Errors of MySQL and MariaDB servers in words: which of them may pass, and what mends the others.

Belongs here: reading the errors of servers, and of PyMySQL, by their numbers. Does not belong here: trying again.

An error that is not known here is permanent: trying again what nobody understands hides it.
"""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pymysql
from pymysql.constants import CR, ER

from ratings_platform.schema.errors import PlatformError, TransientError, is_disk_full
from ratings_platform.warehouse.mysql_address import MySQLAddress

_PRIVILEGES = "Grant SELECT, INSERT, UPDATE, CREATE, DROP and ALTER on the database to the user."
_UNLOCK = "Unlock it: ALTER USER name ACCOUNT UNLOCK."
_EXPIRED = "Give the user a new password, and the platform too: RATINGS_WAREHOUSE_PASSWORD."
_UNTIE = (
    "Drop the foreign key that was added to refer to this table (ALTER TABLE … DROP FOREIGN KEY …): "
    "a load replaces the table. Then run again."
)
_SPACE = "Free some space on the server and run again; readers still see the last version."
_MEMORY = "Give the server more memory, or less to do at the same time, and run again."
_NO_KEY = "Let the server take tables without a key (sql_require_primary_key, group replication): those cut by year."
_DECLARATION = "Change the declaration of the table or column: MySQL has limits that other warehouses do not have."
_SESSION = "Let the user change the settings of a session, and use MySQL 8 or MariaDB 10.11 or later."
_AT_WORK = "Raise the limit for the user, or on the server, and run again."
_ADDRESS = "Check host and port in RATINGS_WAREHOUSE, and that a MySQL or MariaDB server answers there."
_LOOK_UP = "Look the number up in the server's manual, mend what it says and run again; its log may say more."

_REMEDIES = {
    ER.ACCESS_DENIED_ERROR: "Check user and password: RATINGS_WAREHOUSE, RATINGS_WAREHOUSE_PASSWORD.",
    1698: "This user logs in without a password from a shell of its own; give the platform a user with a password.",
    ER.HOST_NOT_PRIVILEGED: "Let the user log in from this machine: CREATE USER name@machine, with the same rights.",
    ER.HOST_IS_BLOCKED: "Run FLUSH HOSTS on the server as its administrator.",
    # Also what the server says of a database that is not there, to a user who may not know.
    ER.DBACCESS_DENIED_ERROR: f"Check the name of the database in RATINGS_WAREHOUSE. If it is right: {_PRIVILEGES}",
    **dict.fromkeys(
        (ER.TABLEACCESS_DENIED_ERROR, ER.COLUMNACCESS_DENIED_ERROR, ER.SPECIFIC_ACCESS_DENIED_ERROR), _PRIVILEGES
    ),
    ER.BAD_DB_ERROR: "Create it: CREATE DATABASE name CHARACTER SET utf8mb4, or correct RATINGS_WAREHOUSE.",
    ER.NO_SUCH_TABLE: "Load the warehouse first: ratings-platform run",
    ER.BAD_FIELD_ERROR: "See where the tables are not as declared: ratings-platform migrations check",
    ER.UNKNOWN_COLLATION: "The server is too old: MySQL 8.0.17 or MariaDB 10.11 and later will do.",
    **dict.fromkeys((ER.DISK_FULL, ER.RECORD_FILE_FULL), _SPACE),
    **dict.fromkeys((ER.OUTOFMEMORY, ER.OUT_OF_SORTMEMORY, ER.OUT_OF_RESOURCES), _MEMORY),
    ER.LOCK_TABLE_FULL: "Raise innodb_buffer_pool_size on the server and run again.",
    ER.TRANS_CACHE_FULL: "Raise max_binlog_cache_size on the server, or load fewer years at once, and run again.",
    ER.NET_PACKET_TOO_LARGE: "A row or statement is larger than the server takes: raise its limit (SET GLOBAL "
    "max_allowed_packet = 67108864), or let it take local files (SET GLOBAL local_infile=1).",
    ER.STATEMENT_TIMEOUT: f"{_AT_WORK} It is named max_statement_time.",
    ER.QUERY_TIMEOUT: f"{_AT_WORK} It is named max_execution_time.",
    ER.OPTION_PREVENTS_STATEMENT: "Start the server without the option that the message names.",
    ER.CANT_CREATE_TABLE: "The server's log says more.",
    **dict.fromkeys((ER.ROW_IS_REFERENCED_2, 3730), _UNTIE),
    **dict.fromkeys((3118, 4151), _UNLOCK),
    **dict.fromkeys((ER.MUST_CHANGE_PASSWORD, ER.MUST_CHANGE_PASSWORD_LOGIN), _EXPIRED),
    CR.CR_SSL_CONNECTION_ERROR: "Switch on TLS on the server, or set ssl=preferred in the address.",
    3159: "Set ssl=required in the address.",
    **dict.fromkeys((3098, 3750), _NO_KEY),
    **dict.fromkeys(
        (
            ER.TOO_LONG_IDENT,
            ER.TOO_MANY_KEYS,
            ER.TOO_MANY_KEY_PARTS,
            ER.TOO_LONG_KEY,
            ER.WRONG_TABLE_NAME,
            ER.TOO_MANY_FIELDS,
            ER.TOO_BIG_ROWSIZE,
            ER.WRONG_COLUMN_NAME,
            ER.BLOB_KEY_WITHOUT_LENGTH,
        ),
        _DECLARATION,
    ),
    **dict.fromkeys((ER.UNKNOWN_SYSTEM_VARIABLE, ER.WRONG_VALUE_FOR_VAR, ER.INCORRECT_GLOBAL_LOCAL_VAR), _SESSION),
}
_PASSING = {
    CR.CR_CONNECTION_ERROR,
    CR.CR_CONN_HOST_ERROR,
    CR.CR_SERVER_GONE_ERROR,
    CR.CR_SERVER_LOST,
    CR.CR_SERVER_LOST_EXTENDED,
    ER.CHECKREAD,
    ER.CON_COUNT_ERROR,
    ER.UNKNOWN_COM_ERROR,  # from a node of a Galera cluster that is not ready yet
    ER.SERVER_SHUTDOWN,
    ER.ABORTING_CONNECTION,
    ER.NET_PACKETS_OUT_OF_ORDER,
    ER.NET_UNCOMPRESS_ERROR,
    ER.NET_READ_ERROR,
    ER.NET_READ_INTERRUPTED,
    ER.NET_ERROR_ON_WRITE,
    ER.NET_WRITE_INTERRUPTED,
    ER.NEW_ABORTING_CONNECTION,
    ER.TOO_MANY_USER_CONNECTIONS,
    ER.LOCK_WAIT_TIMEOUT,
    ER.LOCK_DEADLOCK,
    ER.USER_LIMIT_REACHED,
    ER.QUERY_INTERRUPTED,
    ER.TABLE_DEF_CHANGED,
    1637,  # too many transactions at the same time
    1927,  # killed, in MariaDB's words
    3032,  # in offline mode
    3058,  # a deadlock of named locks
    3101,  # rolled back by group replication
    3169,  # killed, in MySQL's words
    4031,  # idle for too long
}

# A primary that becomes a replica says so in these words, and so does a replica to whom an address still leads: a new
# connection finds the new primary (Go's and Node's drivers and AWS's own do the same). What an administrator has set
# read-only says the same, so its remedy is told too.
_READ_ONLY = {1792, 1836, 1874}
_READ_ONLY_OPTION = re.compile(r"--(super-)?read[-_]only\b")
_FAILOVER = (
    "In a failover this passes; if it stays, name the server that takes changes in RATINGS_WAREHOUSE, or let this one "
    "take them (read_only, innodb_read_only, transaction_read_only)"
)

_LOCAL_INFILE_REFUSED = {ER.NOT_ALLOWED_COMMAND, 3948, 4166, CR.CR_LOAD_DATA_LOCAL_INFILE_REJECTED}
_ROWS_REFUSED = {
    ER.BAD_NULL_ERROR,
    ER.DUP_ENTRY,
    ER.WARN_NULL_TO_NOTNULL,
    ER.WARN_DATA_OUT_OF_RANGE,
    ER.WARN_DATA_TRUNCATED,
    ER.TRUNCATED_WRONG_VALUE,
    ER.INVALID_CHARACTER_STRING,
    ER.NO_DEFAULT_FOR_FIELD,
    ER.TRUNCATED_WRONG_VALUE_FOR_FIELD,
    ER.ILLEGAL_VALUE_FOR_TYPE,
    ER.DATA_TOO_LONG,
    ER.WRONG_VALUE_FOR_TYPE,
    ER.DATETIME_FUNCTION_OVERFLOW,
    1526,  # no partition for a value
    1690,  # out of range
    3819,  # a check, in MySQL's words
    ER.CONSTRAINT_FAILED,
}


def refuses_local_infile(error: pymysql.err.MySQLError) -> bool:
    return _code(error) in _LOCAL_INFILE_REFUSED


def refuses_rows(error: pymysql.err.MySQLError) -> bool:
    """Whether the rows that were sent are what is wrong; PyMySQL itself says so without a number."""
    code = _code(error)
    return code in _ROWS_REFUSED or (not code and isinstance(error, pymysql.err.ProgrammingError))


@contextmanager
def as_platform_errors(address: MySQLAddress) -> Iterator[None]:
    """Turn the errors of the server at `address` into a PlatformError with a remedy or a TransientError."""
    try:
        yield
    except pymysql.err.MySQLError as error:
        raise fault(error, address) from error


def fault(
    error: pymysql.err.MySQLError, address: MySQLAddress, *, doing: str = "", remedy: str = _LOOK_UP
) -> PlatformError | TransientError:
    """The platform's error for one of the server; `doing` says what failed, `remedy` what mends unknown ones."""
    code, cause = _code(error), getattr(error, "original_exception", None)
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
    problem = f"{doing}: {_words(error)}" if doing else _words(error)
    if is_disk_full(error):
        return PlatformError(problem, file=address.uri, remedy=_SPACE)
    if code in _READ_ONLY or (code == ER.OPTION_PREVENTS_STATEMENT and _READ_ONLY_OPTION.search(problem)):
        return TransientError(f"{address.uri}: {problem}. {_FAILOVER}")
    # Without a number: a connection that was closed before.
    if code in _PASSING or isinstance(error, pymysql.err.InterfaceError):
        return TransientError(f"{address.uri}: {problem}")
    known = _REMEDIES.get(code, remedy if code else _ADDRESS)
    return PlatformError(problem, file=address.uri, remedy=known)


def _words(error: pymysql.err.MySQLError) -> str:
    """The server's own words, in one line, and its number."""
    words = " ".join(str(error.args[-1]).split()).rstrip(".") if error.args else "the server gives no reason"
    return f"{words} (error {code})" if (code := _code(error)) else words


def _code(error: pymysql.err.MySQLError) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0
