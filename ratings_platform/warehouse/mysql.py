"""The warehouse in a MySQL 8 or MariaDB (10.11 and later) database.

Belongs here: what becomes of a table when it is loaded (beside the live one, then swapped in one step), who may change
it when, and asking the warehouse questions. Does not belong here: connections and faults (`mysql_session`), moving rows
(`mysql_loading`), the steps by which tables change (`mysql_migrations`).

The user needs SELECT, INSERT, UPDATE, CREATE, DROP and ALTER on the database, and nothing else: no INDEX (ALTER adds
them), no FILE (the client sends local files), no LOCK TABLES, no PROCESS, nothing global. SELECT is enough for asking,
but not for `drift`, which makes an empty table to compare with and drops it; UPDATE is for the number of the last
migration alone.

Tables cut by year are loaded a year at a time into a table of its own, `<table>__<year>`, which EXCHANGE PARTITION
swaps in; others into `<table>__new`, which RENAME TABLE swaps in. What a killed load leaves of these, the next one
removes. A named lock of the server keeps two loads of one table apart; it goes with the connection that holds it, and
that connection does the swapping. Migrations take the locks of all their study's tables.
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pymysql

from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.files import Scan, readable_size
from ratings_platform.schema.sql import compiled
from ratings_platform.schema.study import Study
from ratings_platform.schema.tables import Table
from ratings_platform.warehouse import mysql_catalogue as catalogue
from ratings_platform.warehouse import mysql_migrations as migrating
from ratings_platform.warehouse.mysql_address import MySQLAddress
from ratings_platform.warehouse.mysql_ddl import (
    create_mysql_table,
    mysql_index,
    mysql_name,
    mysql_partition,
)
from ratings_platform.warehouse.mysql_faults import as_platform_errors
from ratings_platform.warehouse.mysql_loading import load_rows
from ratings_platform.warehouse.mysql_migrations import Migration, version_table
from ratings_platform.warehouse.mysql_session import Session, session

logger = logging.getLogger(__name__)

_LOCK_WAIT_SECONDS = 300.0
_LOCK_NAME_LENGTH = 64
_YEARS_AT_ONCE = 2


class MySQLWarehouse:
    """A database with one table for each declared table. Connections are opened late and closed early.

    `password` is asked for at each connecting and kept nowhere. Declared indexes are built after the rows are in: one
    on 6.6 million facts costs half as much again as loading them.
    """

    kind = "mysql"

    def __init__(
        self,
        address: MySQLAddress,
        password: Callable[[], str],
        memory_limit: str,
        *,
        lock_wait: float = _LOCK_WAIT_SECONDS,
    ):
        self.uri = address.uri
        self._address, self._password, self._memory_limit = address, password, memory_limit
        self._lock_wait = lock_wait
        self._kept: Session | None = None

    def load(self, table: Table, scan: Scan, years: Sequence[int] | None = None) -> int:
        """Replace a table by the rows of a scan, or some `years` of a partitioned one; returns rows loaded.

        Readers see a whole table, or a whole year, as it was or as it is to be. A load of several years swaps them one
        after the other: one that breaks off leaves each year as it was or as it is to be.
        """
        if years is not None and table.partition_by is None:
            raise ValueError(f"table {table.path} is not cut by year")
        with self._connect() as opened, self._alone(opened, table.name):
            self._remove_leftovers(opened, table)
            try:
                if table.partition_by is None:
                    return self._replace(opened, table, scan)
                return self._replace_years(opened, table, scan, years)
            except PlatformError:
                # Nothing half-loaded takes up space until a person has mended the fault.
                self._remove_leftovers(opened, table)
                raise

    def rows(self, expr: ir.Expr) -> pa.Table:
        """A small result, asked of the warehouse's own tables, with the expression's types."""
        table = expr.as_table()
        return self._query(compiled(table, "mysql"), table.schema().to_pyarrow())

    def query(self, sql: str) -> pa.Table:
        return self._query(sql, None)

    def columns(self, table: Table) -> dict[str, str]:
        """Names and types of a table's columns as the warehouse has them; empty when it has no such table."""
        with self._connect() as opened:
            return catalogue.columns(opened, table.name)

    def row_count(self, table: Table) -> int:
        return int(self.rows(table.unbound().aggregate(n=ibis._.count()))["n"][0].as_py())

    def about(self, table: Table) -> dict[str, str | int]:
        size = self.size(table)
        return {"size": readable_size(size), "bytes": size, "ddl": self.ddl(table)}

    def size(self, table: Table) -> int:
        """Bytes of a table and its indexes, as the server reckons them."""
        sql = (
            "SELECT COALESCE(SUM(data_length + index_length), 0) FROM information_schema.tables"
            " WHERE table_schema = DATABASE() AND table_name = %s"
        )
        with self._connect() as opened:
            return int(opened.value(sql, table.name))

    def ddl(self, table: Table) -> str:
        """The table as the server would make it again."""
        with self._connect() as opened:
            return str(opened.fetch(f"SHOW CREATE TABLE {mysql_name(table.name)}")[0][1])

    @contextmanager
    def kept_open(self, *, read_only: bool = False) -> Iterator[None]:
        """One connection for all that happens in the block; loads open others beside it."""
        with self._connect() as self._kept:
            if read_only:
                self._kept.execute("SET SESSION TRANSACTION READ ONLY")
            try:
                yield
            finally:
                self._kept = None

    # --- the schema -------------------------------------------------------------------------------------------------

    def migrations(self, study: Study) -> list[Migration]:
        with self._connect() as opened:
            return migrating.migrations(opened, study)

    def migrate(self, study: Study) -> list[Migration]:
        """Apply a study's pending migrations, when nobody loads its tables; returns what was applied."""
        if study.migrations is None:
            return []
        with self._connect() as opened, ExitStack() as locks:
            found = migrating.migrations(opened, study)
            for migration in found:
                if migration.edited:
                    logger.warning("%s: %s", self.uri, migration.warning)
            if unknown := [migration for migration in found if migration.applied and not migration.applied_content]:
                migrating.remember(opened, study, unknown)
            if all(migration.applied for migration in found):
                return []
            for name in (version_table(study), *(table.name for table in study.warehouse_tables)):
                locks.enter_context(self._alone(opened, name))
            return migrating.apply(opened, study, self._address)

    def drift(self, study: Study) -> list[str]:
        """Where a study's tables are not as declared, a line each. Makes an empty table and removes it again."""
        scratch = f"{version_table(study)}__declared"
        found = []
        with self._connect() as opened, self._alone(opened, version_table(study)):
            for table in study.warehouse_tables:
                try:
                    _drop(opened, scratch)
                    opened.execute(self._create(opened, table, scratch))
                    differing = _differences(opened, table.name, scratch)
                finally:
                    _drop(opened, scratch)
                found += [f"table {table.name}: {difference}" for difference in differing]
        return found

    # --- loading ----------------------------------------------------------------------------------------------------

    def _replace(self, opened: Session, table: Table, scan: Scan) -> int:
        new, old = f"{table.name}__new", f"{table.name}__old"
        present = self._is_there(opened, table)
        loaded = self._load_beside(table, new, scan, self._memory_limit)
        swap = [(table.name, old)] * present + [(new, table.name)]
        opened.execute("RENAME TABLE " + ", ".join(f"{mysql_name(a)} TO {mysql_name(b)}" for a, b in swap))
        _drop(opened, old)
        return loaded

    def _replace_years(self, opened: Session, table: Table, scan: Scan, years: Sequence[int] | None) -> int:
        if not self._is_there(opened, table):
            opened.execute(self._create(opened, table, table.name))
        partitions = self._partitions(opened, table)
        rows = scan.rows_by_year()
        wanted = set(years) if years is not None else rows.keys() | partitions.keys()
        missing = sorted(wanted - partitions.keys())
        if missing:
            added = ", ".join(map(mysql_partition, missing))
            opened.execute(f"ALTER TABLE {mysql_name(table.name)} ADD PARTITION ({added})")
            partitions = self._partitions(opened, table)
        # The largest first, so that the last ones fill the gaps.
        order = sorted(wanted, key=lambda year: (-rows.get(year, 0), year))
        at_once = min(_YEARS_AT_ONCE, len(order)) or 1
        memory = _share(self._memory_limit, at_once)
        with ThreadPoolExecutor(at_once, "year") as pool:
            loads = {
                pool.submit(self._load_beside, table, f"{table.name}__{year}", scan.of_years([year]), memory): year
                for year in order
            }
            try:
                for done in as_completed(loads):
                    done.result()
                    self._exchange(opened, table, partitions[loads[done]], f"{table.name}__{loads[done]}")
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        return sum(load.result() for load in loads)

    def _load_beside(self, table: Table, side: str, scan: Scan, memory_limit: str) -> int:
        """Make and fill a table that replaces another, or a year of it, over a connection of its own.

        Rows first, then indexes: building one from all its rows is several times faster than row by row.
        """
        with self._connect(local_infile=True) as loading:
            loading.execute(create_mysql_table(table, side, collation=loading.collation))
            loaded = load_rows(loading, side, scan, memory_limit) if scan.files else 0
            if table.indexes:
                added = ", ".join(f"ADD {mysql_index(columns)}" for columns in table.indexes)
                loading.execute(f"ALTER TABLE {mysql_name(side)} {added}")
            loading.fetch(f"ANALYZE TABLE {mysql_name(side)}")
            return loaded

    def _exchange(self, opened: Session, table: Table, partition: str, side: str) -> None:
        """Swap a year. Files of a year hold that year alone, so MySQL need not look; MariaDB always does."""
        trusting = "" if opened.is_mariadb else " WITHOUT VALIDATION"
        opened.execute(
            f"ALTER TABLE {mysql_name(table.name)} EXCHANGE PARTITION {mysql_name(partition)}"
            f" WITH TABLE {mysql_name(side)}{trusting}"
        )
        _drop(opened, side)

    def _is_there(self, opened: Session, table: Table) -> bool:
        """Whether there is a table to replace, which must be as declared: an empty one beside it shows that."""
        if not catalogue.columns(opened, table.name):
            return False
        beside = f"{table.name}__new"
        opened.execute(self._create(opened, table, beside))
        if differing := _differences(opened, table.name, beside):
            raise self._drifted(table, differing)
        _drop(opened, beside)
        return True

    def _create(self, opened: Session, table: Table, name: str) -> str:
        """The table as declared; cut by year, though it has none yet."""
        return create_mysql_table(table, name, collation=opened.collation, years=(), indexes=table.indexes)

    def _partitions(self, opened: Session, table: Table) -> dict[int, str]:
        """Names of the partitions by year."""
        found = opened.fetch(
            "SELECT partition_description, partition_name FROM information_schema.partitions"
            " WHERE table_schema = DATABASE() AND table_name = %s",
            table.name,
        )
        return {int(years): name for years, name in found if str(years).isdecimal()}

    def _drifted(self, table: Table, differing: Sequence[str]) -> PlatformError:
        return PlatformError(
            f"table {table.name} is not as declared: {'; '.join(differing)}",
            file=self.uri,
            remedy=f"Undo the change, or rename the table out of the way (it is left as it is), and load it anew with "
            f"all years: ratings-platform run --only warehouse/{table.name}. Where the declaration was changed: "
            "ratings-platform migrations new 'what changed'",
        )

    def _remove_leftovers(self, opened: Session, table: Table) -> None:
        names = opened.fetch("SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()")
        ours = re.compile(re.escape(table.name) + r"__(new|old|\d+)")
        for (name,) in names:
            if ours.fullmatch(name):
                _drop(opened, name)

    @contextmanager
    def _alone(self, opened: Session, name: str) -> Iterator[None]:
        """The only one who loads or changes this table on the server, while in the block."""
        lock = _lock_name(self._address.database, name)
        deadline = time.monotonic() + self._lock_wait
        while not opened.value("SELECT GET_LOCK(%s, %s)", lock, min(1.0, self._lock_wait)):
            if time.monotonic() >= deadline:
                holder = opened.value("SELECT IS_USED_LOCK(%s)", lock)
                raise PlatformError(
                    f"table {name} is being loaded or changed by another run (connection {holder} of the server)",
                    file=self.uri,
                    remedy=f"Wait until it has finished, or end it (KILL {holder}), and run again.",
                )
        try:
            yield
        finally:
            # A connection that is gone has lost its lock already.
            with suppress(pymysql.err.MySQLError):
                opened.value("SELECT RELEASE_LOCK(%s)", lock)

    # --- asking -----------------------------------------------------------------------------------------------------

    def _query(self, sql: str, schema: pa.Schema | None) -> pa.Table:
        with self._connect() as opened, opened.connection.cursor() as cursor:
            cursor.execute(sql)
            names = [column[0] for column in cursor.description or ()]
            columns = list(zip(*cursor.fetchall(), strict=True)) or [()] * len(names)
        if schema is None:
            return pa.table({name: _plain(column) for name, column in zip(names, columns, strict=True)})
        typed = [_typed(column, field.type) for column, field in zip(columns, schema, strict=True)]
        return pa.table(typed, schema=pa.schema([pa.field(f.name, f.type) for f in schema]))

    @contextmanager
    def _connect(self, *, local_infile: bool = False) -> Iterator[Session]:
        """The connection that is kept open, or one for the block. One that sends local files serves one load only."""
        if self._kept is not None and not local_infile:
            with as_platform_errors(self._address):
                yield self._kept
            return
        with session(self._address, self._password, local_infile=local_infile) as opened:
            yield opened


def _plain(values: Sequence[Any]) -> pa.Array:
    """MySQL's sums and divisions of whole numbers are decimals; DuckDB's are 64-bit numbers and floats."""
    if any(isinstance(value, Decimal) for value in values):
        whole = all(value is None or value == int(value) for value in values)
        return _typed(values, pa.int64() if whole else pa.float64())
    return pa.array(values)


def _typed(values: Sequence[Any], dtype: pa.DataType) -> pa.Array:
    for fits, convert in ((pa.types.is_integer, int), (pa.types.is_floating, float), (pa.types.is_boolean, bool)):
        if fits(dtype):
            return pa.array([None if value is None else convert(value) for value in values], dtype)
    return pa.array(values, dtype)


def _differences(opened: Session, found: str, declared: str) -> list[str]:
    return catalogue.differences(catalogue.describe(opened, found), catalogue.describe(opened, declared))


def _share(memory: str, among: int) -> str:
    """An equal part of a size as DuckDB writes it."""
    number, unit = re.fullmatch(r"([\d.]+)(.*)", memory).groups()  # type: ignore[union-attr]
    return f"{float(number) / among}{unit}"


def _drop(opened: Session, name: str) -> None:
    opened.execute(f"DROP TABLE IF EXISTS {mysql_name(name)}")


def _lock_name(database: str, table: str) -> str:
    name = f"ratings_platform.{database}.{table}"
    if len(name) <= _LOCK_NAME_LENGTH:
        return name
    return "ratings_platform." + hashlib.sha256(name.encode()).hexdigest()[: _LOCK_NAME_LENGTH - 17]
