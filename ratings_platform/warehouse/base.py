"""What a warehouse can do, whatever database holds it.

Belongs here: the interface that assets, checks and commands work with. Does not belong here: any database.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import ibis.expr.types as ir
import pyarrow as pa

from ratings_platform.schema.files import Scan
from ratings_platform.schema.study import Study
from ratings_platform.schema.tables import Table


class Warehouse(Protocol):
    """One database table for each declared table. Nothing is opened until used."""

    kind: str
    uri: str
    """Where it is, without secrets."""

    def migrate(self, study: Study) -> Sequence[object]:
        """Bring a study's tables to what they should be before they are loaded; the steps taken, told by `str`.

        One look when there is nothing to do.
        """

    def load(self, table: Table, scan: Scan, years: Sequence[int] | None = None) -> int:
        """Replace a table by the rows of a scan, or some `years` of a partitioned one; returns rows loaded.

        Other years that the scan has are left alone. A reader sees each table, or each year of a partitioned one, as it
        was before or as it is after.
        """

    def rows(self, expr: ir.Expr) -> pa.Table:
        """A small result, asked of the warehouse's own tables, with the expression's types."""

    def query(self, sql: str) -> pa.Table:
        """A small result of SQL in the warehouse's own dialect."""

    def columns(self, table: Table) -> dict[str, str]:
        """Names and types of a table's columns as the warehouse has them; empty when it has no such table."""

    def row_count(self, table: Table) -> int: ...

    def about(self, table: Table) -> dict[str, str | int]:
        """What people like to know of the stored table: its size, in words and as `bytes`, and how it was made."""

    def kept_open(self, *, read_only: bool = False) -> AbstractContextManager[None]:
        """One connection for all that happens in the block."""
