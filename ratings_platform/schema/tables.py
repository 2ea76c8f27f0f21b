"""What a table declaration is.

Belongs here: the declaration of a table and its columns, and the forms that follow from it without any engine
(Ibis schema, Arrow schema). Does not belong here: any particular table (each study declares its own), and what
engines, checks and documents make of a declaration.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import ibis
import ibis.expr.types as ir
import pyarrow as pa

LAYERS = ("raw", "bronze", "silver", "gold", "answers", "warehouse")


@dataclass(frozen=True)
class Column:
    """One column: its name, Ibis type, meaning, and the values it may hold.

    `references` names the column that must hold every value of this one, as `table.column`, inside the same study.
    `label` says of a number that it names something (an id, a year) and counts nothing.
    """

    name: str
    type: str
    description: str
    nullable: bool = False
    allowed: tuple[str | int, ...] = ()
    minimum: float | int | str | None = None
    maximum: float | int | str | None = None
    references: str | None = None
    label: bool = False


@dataclass(frozen=True)
class Table:
    """One table of the lake: where it stands, its grain, its columns.

    `description` opens with the grain. `key` names the columns that tell rows apart (empty: rows may repeat).
    `partition_by` names the integer year column by which the stored table is cut; `time_column` the date column
    whose year a row belongs to, by which unpartitioned tables can be read a year at a time. `indexes` are for
    warehouses that look rows up by index (MySQL): each costs at every load.
    """

    layer: str
    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    partition_by: str | None = None
    time_column: str | None = None
    indexes: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        names = [c.name for c in self.columns]
        used = (*self.key, *filter(None, (self.partition_by, self.time_column)), *chain(*self.indexes))
        if self.layer not in LAYERS or len(set(names)) != len(names) or not set(used) <= set(names):
            raise ValueError(f"table {self.path} is declared wrongly: unknown layer, repeated or unknown column")

    @property
    def path(self) -> str:
        """`layer/name`: the asset key, and the folder in the lake."""
        return f"{self.layer}/{self.name}"

    @cached_property
    def ibis_schema(self) -> ibis.Schema:
        return ibis.schema({c.name: ibis.dtype(c.type, nullable=c.nullable) for c in self.columns})

    @cached_property
    def arrow_schema(self) -> pa.Schema:
        """Every field nullable: Parquet writers differ in what they mark, and the checks prove what is required."""
        return pa.schema([pa.field(f.name, f.type) for f in self.ibis_schema.to_pyarrow()])

    @cached_property
    def labels(self) -> frozenset[str]:
        """Columns whose numbers name something: those that are said to, and those that tell or refer to rows."""
        named = {*self.key, self.partition_by}
        return frozenset(c.name for c in self.columns if c.label or c.references or c.name in named)

    def unbound(self) -> ir.Table:
        """The table as an Ibis expression that is tied to no engine, under its bare name."""
        return ibis.table(self.ibis_schema, name=self.name)

    def column(self, name: str) -> Column:
        return next(c for c in self.columns if c.name == name)
