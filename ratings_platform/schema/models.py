"""How a table follows from other tables: one Ibis expression each.

Belongs here: what ties a declared table to the function that computes it, and what makes a business question of
such a pair. Does not belong here: any particular expression (each study has its own), and running one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import ibis
import ibis.expr.types as ir

from ratings_platform.schema.tables import Table

Constant = str | int | float | date


@dataclass(frozen=True)
class Parameter:
    """A value that a question is asked with, such as an as-of date or a threshold.

    `default` is a constant, or a function like a model's that gives one value of the data as an Ibis scalar: so it
    follows from the data and never from the clock. `type` is the Ibis type that given values are read as.
    """

    name: str
    type: str
    description: str
    default: Constant | Callable[..., ir.Scalar]

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tables that the default is read from."""
        return tuple(inspect.signature(self.default).parameters) if callable(self.default) else ()

    def value(self, tables: Mapping[str, Table], given: Constant | None = None) -> ir.Scalar:
        """The value that was given, or else the default, as an expression. Raises when it is of no such type."""
        if given is None and callable(self.default):
            return self.default(*(tables[name].unbound() for name in self.inputs)).cast(self.type)
        return ibis.literal(self.default if given is None else given, self.type)


@dataclass(frozen=True)
class Model:
    """A table and the plain function from Ibis tables to an Ibis table that computes it.

    The function's positional parameters are named after the tables it reads; a parameter with the name of the
    model's own table is that table's last version (empty at first). Keyword-only parameters are settings.
    `conserves` names inputs of which every row becomes exactly one row of the table; a check counts them.
    """

    table: Table
    build: Callable[..., ir.Table]
    conserves: tuple[str, ...] = field(default=(), kw_only=True)

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of the tables read, in the function's order."""
        return tuple(p.name for p in self._parameters if p.kind is not p.KEYWORD_ONLY)

    @cached_property
    def settings(self) -> tuple[str, ...]:
        return tuple(p.name for p in self._parameters if p.kind is p.KEYWORD_ONLY)

    @property
    def _parameters(self) -> list[inspect.Parameter]:
        return list(inspect.signature(self.build).parameters.values())

    def expression(self, tables: Mapping[str, Table], settings: Mapping[str, float]) -> ir.Table:
        """The expression over unbound tables, its columns cast to the declared types in the declared order.

        Rows of a table with a key are sorted by it, so that equal rows make equal files.
        """
        found = self._typed(tables, settings)
        return found.order_by(*self.table.key) if self.table.key else found

    def built(self, tables: Mapping[str, Table], settings: Mapping[str, float]) -> ir.Table:
        """What the function itself gives over unbound tables."""
        given = {name: settings[name] for name in self.settings}
        return self.build(*(tables[name].unbound() for name in self.inputs), **given)

    def _typed(self, tables: Mapping[str, Table], settings: Mapping[str, float]) -> ir.Table:
        found = self.built(tables, settings)
        want = self.table.ibis_schema
        return found.select(**{name: found[name].cast(dtype(nullable=True)) for name, dtype in want.items()})


@dataclass(frozen=True)
class Question(Model):
    """A business question: its answer is a small table, `definition` says what each word of it means.

    `order` lists what the rows are sorted by, with `-` in front for descending; it is total. Keyword-only parameters of
    the function that `parameters` name are Ibis scalars.
    """

    question: str
    definition: str
    order: tuple[str, ...]
    parameters: tuple[Parameter, ...] = ()

    def expression(self, tables: Mapping[str, Table], settings: Mapping[str, float]) -> ir.Table:
        return self.ordered(self._typed(tables, settings))

    def ordered(self, rows: ir.Table) -> ir.Table:
        """The answer's rows in its order."""
        return rows.order_by([rows[o[1:]].desc() if o.startswith("-") else rows[o].asc() for o in self.order])
