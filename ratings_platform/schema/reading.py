"""What a reader of vendor files takes and gives.

Belongs here: the contract between a study's readers and the kernel that stores what they read. Does not belong
here: any file format, and any writing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import ibis.expr.types as ir
import polars as pl

from ratings_platform.schema.tables import Column, Table


def rejects_table(name: str) -> Table:
    """A study's table of the lines that its bronze tables refused."""
    return Table(
        "bronze",
        name,
        "One row per line of a source file that was refused, so that rows read = rows kept + rows rejected.",
        (
            Column("table", "string", "The bronze table that the line was meant for."),
            Column("file", "string", "Name of the source file."),
            Column("line", "int64", "Number of the line in that file, from 1.", minimum=1),
            Column("reason", "string", "Why the line was refused."),
            Column("raw", "string", "The line as it stands in the file; bytes that are no text appear as U+FFFD."),
        ),
        key=("table", "file", "line"),
    )


def counted(rejects: ir.Table) -> ir.Table:
    """Refused lines by table, file and reason."""
    by = ("table", "file", "reason")
    return rejects.group_by(*by).aggregate(rows=rejects.count()).order_by(*by)


REJECTS = rejects_table("rejects")


class SourceFile(NamedTuple):
    """A plain (unpacked) file to read: the vendor's name for it, and where its bytes are now.

    They may be a piece of the vendor's file, which is then `piece_of` (see `Ingest.cut`): without `from_start` a later
    one, where what only a file's beginning holds is not to be looked for.
    """

    name: str
    path: Path
    from_start: bool = True
    piece_of: Path | None = None

    @property
    def whole(self) -> Path:
        """The vendor's file: a verdict on it must not depend on where it is cut."""
        return self.piece_of or self.path


class Count(NamedTuple):
    """What an independent count of one unit of files found.

    `lines` is every line; `structure` those that hold no row by design (headers, blank lines).
    """

    lines: int
    structure: int

    @property
    def rows(self) -> int:
        return self.lines - self.structure

    @classmethod
    def of(cls, counts: pl.DataFrame) -> Count:
        return cls(*counts.select(cls._fields).row(0))


@dataclass(frozen=True)
class Parsed:
    """One unit of source files, read lazily.

    `rows` has the table's columns, typed. `counts` has one row, of what a Count holds; it is found apart from the rows,
    but may share their pass over the files. `rejects` has file (String), line (Int64), reason (String), raw (String);
    it costs a second pass, so it is only run when the count shows that some rows were not kept.
    """

    rows: pl.LazyFrame
    rejects: pl.LazyFrame
    counts: pl.LazyFrame

    def count(self) -> Count:
        """The count alone, in a pass of its own."""
        return Count.of(self.counts.collect(engine="streaming"))


# Files of one unit, and the bronze tables read before (by name) that the rows may refer to.
Reader = Callable[[Sequence[SourceFile], Mapping[str, pl.LazyFrame]], Parsed]
