"""Where Dagster records runs and events on this machine: its own SQLite files, written with less ado.

Belongs here: how its databases are opened, and what goes into one transaction. Does not belong here: what is recorded,
and the tables, which are Dagster's: its own storage reads what this one writes, and the other way round.

Dagster's storage makes an engine for every event, which compiles its statements anew, and commits each of the several
rows that an event has by itself. Half of the time of a run over little data goes into that.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path
from sqlite3 import Connection as SQLiteConnection
from typing import Any

import dagster as dg
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event

# Events of these kinds are also written to the index of all runs.
_INDEXED = {*ASSET_EVENTS, *ASSET_CHECK_EVENTS}
# Each run has a database of its own, and a UI looks into many of them.
_OPEN_DATABASES = 16


@lru_cache(maxsize=_OPEN_DATABASES)
def _engine(address: str) -> Engine:
    """One engine for each database: it keeps its connections and the statements that it has compiled."""
    engine = create_engine(address, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS})
    event.listen(engine, "connect", _write_ahead)
    return engine


def _write_ahead(connection: SQLiteConnection, _: Any) -> None:
    """With a write-ahead log a commit need not wait for the disk: what a dying machine may lose are the last events."""
    connection.execute("pragma synchronous = normal")


class _Runs(SqliteRunStorage):
    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with _engine(self._conn_string).begin() as connection:
            yield connection


class _Events(SqliteEventLogStorage):
    """Who asks for a connection inside a transaction gets that transaction's own."""

    def __init__(self, base_dir: str):
        self._open: dict[str, Connection] = {}
        super().__init__(base_dir)
        self._db_lock = threading.RLock()  # type: ignore[assignment]

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            if shard in self._open:
                yield self._open[shard]
                return
            engine = _engine(self.conn_string_for_shard(shard))
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                self._open[shard] = connection
                try:
                    yield connection
                finally:
                    del self._open[shard]

    def store_event(self, event: dg.EventLogEntry) -> None:
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """One transaction for each database that is written to."""
        shards = {entry.run_id for entry in events}
        if any(entry.is_dagster_event and entry.dagster_event_type in _INDEXED for entry in events):
            shards.add(INDEX_SHARD_NAME)
        with ExitStack() as transactions:
            for shard in sorted(shards):
                transactions.enter_context(self._connect(shard))
            for entry in events:
                super().store_event(entry)


class LocalStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage below a folder, for `storage: custom:` in a `dagster.yaml`."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None):
        # Not by way of the base class, which would open each database twice.
        DagsterStorage.__init__(self)  # type: ignore[arg-type]
        self.base_dir, self._inst_data = base_dir, inst_data
        history = Path(base_dir, "history")
        self._run_storage = _Runs.from_local(f"{history}/")
        self._event_log_storage = _Events(f"{history / 'runs'}/")
        self._schedule_storage = SqliteScheduleStorage.from_local(str(Path(base_dir, "schedules")))

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> LocalStorage:
        return cls(config_value["base_dir"], inst_data)
