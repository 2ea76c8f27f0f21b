"""What an engine can do, whichever it is.

Belongs here: the interface that assets, checks and commands work with. Does not belong here: any engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import ibis.expr.types as ir
import pyarrow as pa

from ratings_platform.engines.text import Stored
from ratings_platform.schema.files import DataFile, Scan
from ratings_platform.schema.reading import SourceFile
from ratings_platform.schema.study import Ingest
from ratings_platform.schema.tables import Table


class Engine(Protocol):
    """Runs expressions over scans and readers over vendor files. Nothing is started before it is used."""

    kind: str

    def rows(self, expr: ir.Expr, scans: Mapping[str, Scan]) -> pa.Table:
        """The result of an expression in memory, its columns of the types that Ibis says: for small results only."""

    def many_rows(self, exprs: Mapping[str, ir.Expr], scans: Mapping[str, Scan]) -> dict[str, pa.Table]:
        """Several small results over the same scans."""

    def write(
        self,
        expr: ir.Table,
        scans: Mapping[str, Scan],
        target: Table,
        root: str,
        folder: str,
        *,
        years: Sequence[int] | None = None,
        progress: Callable[[str], None] = lambda _: None,
    ) -> list[DataFile]:
        """Write an expression's rows as Parquet below `root/folder`; a partitioned table's in files of one year each.

        Equal inputs give equal rows, whether a year is written alone or among others; years without rows get no file.
        """

    def store(
        self, ingest: Ingest, files: Sequence[SourceFile], known: Mapping[str, Scan], root: str, folder: str
    ) -> Stored:
        """Write the rows of one unit of vendor files as Parquet below `root/folder`, with proof that no line is lost.

        Raises SourceError when no row at all can be used.
        """
