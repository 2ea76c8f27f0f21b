"""A real MySQL or MariaDB server of the tests' own: private data directory, free port, stopped at the end."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql
import pytest

from ratings_platform.warehouse.mysql import MySQLWarehouse
from ratings_platform.warehouse.mysql_address import MySQLAddress

# What the platform asks for, and nothing more.
PRIVILEGES = "SELECT, INSERT, UPDATE, CREATE, DROP, ALTER"
_PLACES = ("/usr/sbin", "/usr/local/sbin", "/usr/libexec", "/opt/homebrew/bin")
_QUICK = (
    "--innodb-flush-log-at-trx-commit=2",
    "--innodb-buffer-pool-size=128M",
    "--skip-log-bin",
    "--skip-name-resolve",
)


def program(*names: str) -> str:
    """The first of some programs that is here; a test without a server cannot prove anything, so it fails."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *_PLACES))
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    pytest.fail(f"not installed: {' or '.join(names)}. Run: apt-get install mariadb-server openssl", pytrace=False)


@dataclass(frozen=True)
class Password:
    """The password of a user, as processes of the tests can take it along."""

    text: str

    def __call__(self) -> str:
        return self.text


class MySQLServer:
    """A server in a folder; `options` are the server's own."""

    def __init__(self, folder: Path, options: Sequence[str] = ()):
        self.folder, self.options = folder, options
        self.port = _free_port()
        self._as = ["--user=root"] if os.geteuid() == 0 else []
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self._install()

    def _install(self) -> None:
        daemon = program("mariadbd", "mysqld")
        where = f"--datadir={self.folder / 'data'}"
        if (
            "mariadb"
            in subprocess.run([daemon, "--version"], capture_output=True, text=True, check=True).stdout.lower()
        ):
            command = [program("mariadb-install-db"), "--no-defaults", "--auth-root-authentication-method=normal"]
            command += ["--skip-test-db", where, *self._as]
        else:
            command = [daemon, "--no-defaults", "--initialize-insecure", where, *self._as]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        arguments = [f"--datadir={self.folder / 'data'}", f"--port={self.port}", f"--socket={self.folder / 's'}"]
        arguments += [f"--pid-file={self.folder / 'pid'}", "--bind-address=127.0.0.1", "--local-infile=1"]
        # A server that starts removes temporary tables from there, those of others too.
        (self.folder / "tmp").mkdir(exist_ok=True)
        arguments.append(f"--tmpdir={self.folder / 'tmp'}")
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [program("mariadbd", "mysqld"), "--no-defaults", *arguments, *self._as, *_QUICK, *self.options],
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.connect().close()
            except pymysql.err.OperationalError:
                assert self._process.poll() is None, self.log
                assert time.monotonic() < deadline, self.log
                time.sleep(0.05)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(how)
            self._process.wait(60)

    def connect(self, database: str | None = None) -> pymysql.Connection[Any]:
        """As the administrator."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user="root",
            database=database,
            charset="utf8mb4",
            autocommit=True,
            ssl_disabled=True,
        )

    def run(self, sql: str, database: str | None = None) -> list[tuple[Any, ...]]:
        with self.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    def new_address(self, privileges: str = PRIVILEGES, **options: Any) -> tuple[MySQLAddress, Password]:
        """An empty database with a user of its own, who has some privileges on it."""
        self._databases += 1
        name, password = f"db_{self._databases}", Password(f"p'\"w%{secrets.token_hex(8)}")
        self.run(f"create database {name} character set latin1")
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("create user %s@'%%' identified by %s", (name, password.text))
            cursor.execute(f"grant {privileges} on {name}.* to '{name}'@'%'")
        return MySQLAddress("127.0.0.1", name, name, self.port, **options), password

    def new_warehouse(self, *, lock_wait: float = 30.0) -> MySQLWarehouse:
        return MySQLWarehouse(*self.new_address(), "500MB", lock_wait=lock_wait)


@contextmanager
def running(*options: str) -> Iterator[MySQLServer]:
    # Paths of sockets are short: the folders of tests are too deep.
    folder = Path(tempfile.mkdtemp(prefix="db-"))
    try:
        server = MySQLServer(folder, options)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def server() -> Iterator[MySQLServer]:
    """One server for all tests; each takes a database of its own."""
    with running() as started:
        yield started


@pytest.fixture
def own_server() -> Iterator[MySQLServer]:
    """A server that a test may stop, kill or set up as it likes."""
    with running() as started:
        yield started


def database_of(warehouse: MySQLWarehouse) -> str:
    return warehouse.uri.rpartition("/")[2]


def tables(server: MySQLServer, warehouse: MySQLWarehouse) -> list[str]:
    """All tables there, leftovers of killed loads too."""
    return sorted(name for (name,) in server.run("show tables", database_of(warehouse)))


def content(warehouse: MySQLWarehouse) -> list[tuple[Any, ...]]:
    """The rows of MARKS in an order that no server decides."""
    found = warehouse.query("select name, stars, day, year from marks").to_pylist()
    return sorted((tuple(row.values()) for row in found), key=lambda row: (row[2], str(row[0]), row[1]))


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])
