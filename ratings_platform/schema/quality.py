"""The data-quality rules that follow from a table's declaration, as Ibis expressions.

Belongs here: which rules a declaration calls for, and the expressions that count and show what breaks them. Does not
belong here: columns and types (known from file schemas, without reading rows), rules of one study, running an
expression, and what a failed rule stops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

import ibis
import ibis.expr.types as ir

from ratings_platform.schema.tables import Column, Table

# Beyond any real value. Comparing with it finds NaN on every engine, whether NaN is the greatest number there or
# unordered; `isnan` does not exist in MySQL.
_LARGEST = 1e308

# Stands between rule and column in the names of a merged measure.
_BETWEEN = "__"


@dataclass(frozen=True, eq=False)
class Rule:
    """Something that a declaration promises: it holds when every one of `counts` is 0.

    `counts` are aggregates over the relation `scanned`, one for each thing counted; `failures` are what breaks it.
    """

    name: str
    description: str
    scanned: ir.Table
    counts: Mapping[str, ir.IntegerScalar]
    failures: ir.Table

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
        *([_row_rule("required", "No value is missing in {}.", table, required, _missing)] if required else ()),
        *(
            [_row_rule("allowed_values", "Only allowed values in {}.", table, restricted, _forbidden)]
            if restricted
            else ()
        ),
        *([_unique_key(table)] if table.key else ()),
        *([_references(table, referring, tables)] if referring else ()),
    )


def merged_measures(rules: Sequence[Rule]) -> tuple[ir.Table, ...]:
    """The measures of all rules in as few scans as possible; read the rows that they give with `split_counts`.

    Rules over the same relation (`required` and `allowed_values`) share one pass over it.
    """
    scans: dict[ibis.expr.operations.Node, list[Rule]] = {}
    for rule in rules:
        scans.setdefault(rule.scanned.op(), []).append(rule)
    return tuple(
        together[0].scanned.aggregate(
            **{f"{rule.name}{_BETWEEN}{thing}": count for rule in together for thing, count in rule.counts.items()}
        )
        for together in scans.values()
    )


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
) -> Rule:
    """A rule on single values. A failing row is shown by its key and the columns in question; without a key, whole."""
    rows = table.unbound()
    failing = {c.name: fails(rows[c.name], c) for c in columns}
    shown = dict.fromkeys((*table.key, *failing)) if table.key else rows.columns
    return Rule(
        name,
        description.format(", ".join(failing)),
        rows,
        {column: _times(failed) for column, failed in failing.items()},
        rows.filter(reduce(or_, failing.values())).select(*shown),
    )


def _times(condition: ir.BooleanValue) -> ir.IntegerScalar:
    """How often a condition is true: a COUNT, which is an int64 and 0 over no rows on every engine, as SUM is not."""
    return condition.ifelse(1, ibis.null("int8")).count()


def _missing(value: ir.Value, column: Column) -> ir.BooleanValue:
    # A comparison is null exactly where its value is; `isnull` of a float itself would take in NaN, on Spark only.
    return (value == value).isnull() if value.type().is_floating() else value.isnull()


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


def _unique_key(table: Table) -> Rule:
    repeated = table.unbound().group_by(*table.key).aggregate(rows=lambda rows: rows.count())
    repeated = repeated.filter(repeated["rows"] > 1)
    return Rule(
        "unique_key",
        f"No two rows share the key {', '.join(table.key)}.",
        repeated,
        {"repeated_keys": repeated.count()},
        repeated,
    )


def _references(table: Table, columns: Sequence[Column], tables: Mapping[str, Table]) -> Rule:
    missing = ibis.union(*(_missing_references(table, c, tables) for c in columns), distinct=False)
    return Rule(
        "references",
        f"Every value is found where it refers to: {', '.join(f'{c.name} in {c.references}' for c in columns)}.",
        missing,
        {c.name: _times(missing["column"] == c.name) for c in columns},
        missing,
    )


def _missing_references(table: Table, column: Column, tables: Mapping[str, Table]) -> ir.Table:
    """The distinct values of a column that the column it refers to does not have; null refers to nothing."""
    name, _, target = (column.references or "").partition(".")
    if name not in tables or target not in tables[name].ibis_schema:
        raise ValueError(f"{table.path}: column {column.name} refers to {column.references}, which is not declared")
    rows = table.unbound()
    used = rows.select(value=rows[column.name]).drop_null().distinct()
    present = tables[name].unbound().select(present=target)
    lost = used.anti_join(present, used["value"] == present["present"])
    return lost.select(column=ibis.literal(column.name), value=lost["value"].cast("string"))
