"""The data-quality rules that follow from a table's declaration, as Ibis expressions.

Belongs here: which rules a declaration calls for, and the expressions that count and show what breaks them. Does not
belong here: columns and types (known from file schemas, without reading rows), rules of one study, running an
expression, and what a failed rule stops.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, reduce
from operator import or_
from typing import Any, NamedTuple

import ibis
import ibis.expr.types as ir

from ratings_platform.schema.tables import Column, Table

# Beyond any real value. Comparing with it finds NaN on every engine, whether NaN is the greatest number there or
# unordered; `isnan` does not exist in MySQL.
_LARGEST = 1e308

# Stands between rule and column in the names of a merged measure.
_BETWEEN = "__"


class Extent(NamedTuple):
    """What is known of a column's values without reading them: how many are missing, and the least and greatest."""

    nulls: int | None
    bounds: tuple[Any, Any] | None


class Counted(NamedTuple):
    """How a rule is put to the test: see `Rule`."""

    scanned: ir.Table
    counts: Mapping[str, ir.IntegerScalar]
    failures: ir.Table


@dataclass(frozen=True, eq=False)
class Rule:
    """Something that a declaration promises: it holds when every one of `counts` is 0.

    `counts` are aggregates over the relation `scanned`, one for each of `things`; `failures` are what breaks it. They
    are built when they are asked for. `settled` names the things that need not be counted, since the extents of columns
    show that there are none.
    """

    name: str
    description: str
    things: tuple[str, ...]
    build: Callable[[], Counted]
    settled: Callable[[Mapping[str, Extent]], Collection[str]] = lambda extents: ()

    @cached_property
    def _built(self) -> Counted:
        return self.build()

    @property
    def scanned(self) -> ir.Table:
        return self._built.scanned

    @property
    def counts(self) -> Mapping[str, ir.IntegerScalar]:
        return self._built.counts

    @property
    def failures(self) -> ir.Table:
        return self._built.failures

    @property
    def measure(self) -> ir.Table:
        """One row, one int64 column for each thing counted."""
        return self.scanned.aggregate(**self.counts)

    def examples(self, rows: int = 5) -> ir.Table:
        """A few failures, any, for the error message."""
        return self.failures.limit(rows)


def rules(table: Table, tables: Mapping[str, Table]) -> tuple[Rule, ...]:
    """The rules that the declaration calls for; `tables` are those that it may refer to, by bare name."""
    required = [c for c in table.columns if not c.nullable]
    restricted = [c for c in table.columns if _is_restricted(table, c)]
    referring = [c for c in table.columns if c.references]
    return (
        *(
            [_row_rule("required", "No value is missing in {}.", table, required, _missing, _has_all)]
            if required
            else ()
        ),
        *(
            [_row_rule("allowed_values", "Only allowed values in {}.", table, restricted, _forbidden, _is_within)]
            if restricted
            else ()
        ),
        *([_unique_key(table)] if table.key else ()),
        *([_references(table, referring, tables)] if referring else ()),
    )


def merged_measures(
    rules: Sequence[Rule], settled: Mapping[str, Collection[str]] | None = None
) -> tuple[ir.Table, ...]:
    """The measures of all rules in as few scans as possible; read the rows that they give with `split_counts`.

    Rules over the same relation (`required` and `allowed_values`) share one pass over it. What is `settled`, by rule,
    is not counted.
    """
    scans: dict[ibis.expr.operations.Node, tuple[ir.Table, dict[str, ir.IntegerScalar]]] = {}
    for rule in rules:
        known = (settled or {}).get(rule.name, ())
        for thing in (thing for thing in rule.things if thing not in known):
            _, counts = scans.setdefault(rule.scanned.op(), (rule.scanned, {}))
            counts[f"{rule.name}{_BETWEEN}{thing}"] = rule.counts[thing]
    return tuple(scanned.aggregate(**counts) for scanned, counts in scans.values())


def split_counts(row: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """A row of a merged measure as counts by rule."""
    counts: dict[str, dict[str, int]] = {}
    for name, count in row.items():
        rule, _, thing = name.partition(_BETWEEN)
        counts.setdefault(rule, {})[thing] = count
    return counts


def _row_rule(
    name: str,
    description: str,
    table: Table,
    columns: Sequence[Column],
    fails: Callable[[ir.Value, Column], ir.BooleanValue],
    holds: Callable[[Extent, Column], bool],
) -> Rule:
    """A rule on single values. A failing row is shown by its key and the columns in question; without a key, whole."""

    def build() -> Counted:
        rows = table.unbound()
        failing = {c.name: fails(rows[c.name], c) for c in columns}
        shown = dict.fromkeys((*table.key, *failing)) if table.key else rows.columns
        return Counted(
            rows,
            {column: _times(failed) for column, failed in failing.items()},
            rows.filter(reduce(or_, failing.values())).select(*shown),
        )

    def settled(extents: Mapping[str, Extent]) -> Collection[str]:
        return {c.name for c in columns if c.name in extents and holds(extents[c.name], c)}

    names = tuple(c.name for c in columns)
    return Rule(name, description.format(", ".join(names)), names, build, settled)


def _times(condition: ir.BooleanValue) -> ir.IntegerScalar:
    """How often a condition is true: a COUNT, which is an int64 and 0 over no rows on every engine, as SUM is not."""
    return condition.ifelse(1, ibis.null("int8")).count()


def _missing(value: ir.Value, column: Column) -> ir.BooleanValue:
    # A comparison is null exactly where its value is; `isnull` of a float itself would take in NaN, on Spark only.
    return (value == value).isnull() if value.type().is_floating() else value.isnull()


def _has_all(extent: Extent, column: Column) -> bool:
    return extent.nulls == 0


def _is_restricted(table: Table, column: Column) -> bool:
    bounded = column.minimum is not None or column.maximum is not None
    return bool(column.allowed) or bounded or table.ibis_schema[column.name].is_floating()


def _forbidden(value: ir.Value, column: Column) -> ir.BooleanValue:
    """Whether a value is outside what is declared, or a float is no finite number; null where the value is null."""
    kind = value.type()
    minimum, maximum = column.minimum, column.maximum
    if kind.is_floating():
        minimum = -_LARGEST if minimum is None else minimum
        maximum = _LARGEST if maximum is None else maximum
    permitted = (
        *([value.isin(column.allowed)] if column.allowed else ()),
        *([value >= ibis.literal(minimum, kind)] if minimum is not None else ()),
        *([value <= ibis.literal(maximum, kind)] if maximum is not None else ()),
    )
    return reduce(or_, (~one for one in permitted))


def _is_within(extent: Extent, column: Column) -> bool:
    """Of whole numbers and days; others are to be looked at one by one."""
    if extent.bounds is None or not isinstance(extent.bounds[0], date if column.type == "date" else int):
        return False
    (least, greatest), (minimum, maximum) = extent.bounds, _ends(column)
    return (
        (minimum is None or minimum <= least)
        and (maximum is None or greatest <= maximum)
        and (
            not column.allowed
            or (isinstance(least, int) and all(n in column.allowed for n in range(least, greatest + 1)))
        )
    )


def _ends(column: Column) -> tuple[Any, Any]:
    """The declared minimum and maximum, of days as days."""
    low, high = (date.fromisoformat(end) if isinstance(end, str) else end for end in (column.minimum, column.maximum))
    return low, high


def _unique_key(table: Table) -> Rule:
    def build() -> Counted:
        repeated = table.unbound().group_by(*table.key).aggregate(rows=lambda rows: rows.count())
        repeated = repeated.filter(repeated["rows"] > 1)
        return Counted(repeated, {"repeated_keys": repeated.count()}, repeated)

    return Rule("unique_key", f"No two rows share the key {', '.join(table.key)}.", ("repeated_keys",), build)


def _references(table: Table, columns: Sequence[Column], tables: Mapping[str, Table]) -> Rule:
    for column in columns:
        name, target = _referred(column)
        if name not in tables or target not in tables[name].ibis_schema:
            raise ValueError(f"{table.path}: column {column.name} refers to {column.references}, which is not declared")

    def build() -> Counted:
        missing = ibis.union(*(_missing_references(table, c, tables) for c in columns), distinct=False)
        return Counted(missing, {c.name: _times(missing["column"] == c.name) for c in columns}, missing)

    listed = ", ".join(f"{c.name} in {c.references}" for c in columns)
    things = tuple(c.name for c in columns)
    return Rule("references", f"Every value is found where it refers to: {listed}.", things, build)


def _referred(column: Column) -> tuple[str, str]:
    """The table and the column that a column refers to."""
    name, _, target = (column.references or "").partition(".")
    return name, target


def _missing_references(table: Table, column: Column, tables: Mapping[str, Table]) -> ir.Table:
    """The distinct values of a column that the column it refers to does not have; null refers to nothing."""
    name, target = _referred(column)
    rows = table.unbound()
    used = rows.select(value=rows[column.name]).drop_null().distinct()
    present = tables[name].unbound().select(present=target)
    lost = used.anti_join(present, used["value"] == present["present"])
    return lost.select(column=ibis.literal(column.name), value=lost["value"].cast("string"))
