"""Where the values of a table come from, column by column, read off its Ibis expression.

Belongs here: which columns of the leaf tables flow into which column of an expression. Does not belong here: any
particular expression, and how lineage is shown.

Lineage follows values, not choices. What only chooses rows counts for nothing: filters, join predicates, sort keys,
the `where` of a sum, the key of an `argmax`. Where the choice is itself the value, it counts: ranks come from their
order and partition, a conditional row count from its condition, EXISTS from its filter. A plain `count(*)`, literals
and tables held in memory come from no column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import singledispatch
from typing import Any

import ibis.expr.operations as ops
import ibis.expr.types as ir

# The leaf columns, as (table, column), that flow into one value; and the same for each column of a relation.
_Origins = frozenset[tuple[str, str]]
_Columns = dict[str, _Origins]

_NOTHING: _Origins = frozenset()
_RANKS = (ops.RankBase, ops.PercentRank, ops.CumeDist, ops.NTile)


def column_lineage(expr: ir.Table) -> dict[str, tuple[tuple[str, str], ...]]:
    """For each output column, in order, the sorted (table, column) pairs of the leaf tables that flow into it."""
    node = expr.op()
    return {column: tuple(sorted(origins)) for column, origins in node.map(_origins)[node].items()}


def _merged(found: Iterable[Any]) -> _Origins:
    """All origins among the arguments of an operation, some of which are tuples of arguments."""
    merged = _NOTHING
    for one in found:
        if isinstance(one, frozenset):
            merged |= one
        elif isinstance(one, tuple):
            merged |= _merged(one)
    return merged


# Ibis visits each node once, children first: `found` maps nodes done to their origins, and each argument that is a
# node arrives as its origins. So shared parts cost nothing and deep expressions need no recursion.
@singledispatch
def _origins(op: Any, found: Mapping[ops.Node, Any], **arguments: Any) -> Any:
    raise TypeError(f"column lineage does not know the Ibis operation {type(op).__name__}: add it to schema.lineage")


@_origins.register
def _(op: ops.JoinLink, found: Mapping[ops.Node, Any], **arguments: Any) -> None:
    return None  # its table reaches the output through the fields of the join chain


# Values


@_origins.register
def _(op: ops.Value, found: Mapping[ops.Node, Any], **arguments: Any) -> _Origins:
    if any(isinstance(child, ops.Relation) for child in op.__children__):
        return _origins.dispatch(object)(op, found)
    return _merged(arguments.values())


@_origins.register
def _(op: ops.Field, found: Mapping[ops.Node, Any], *, rel: _Columns, name: str) -> _Origins:
    return rel[name]


@_origins.register
def _(op: ops.Literal, found: Mapping[ops.Node, Any], **arguments: Any) -> _Origins:
    return _NOTHING


@_origins.register
def _(op: ops.Reduction, found: Mapping[ops.Node, Any], **arguments: Any) -> _Origins:
    choices = {"where", "order_by"} | ({"key"} if isinstance(op, ops.ArgMin | ops.ArgMax) else set())
    return _merged(value for name, value in arguments.items() if name not in choices)


@_origins.register
def _(op: ops.CountStar, found: Mapping[ops.Node, Any], *, arg: _Columns, where: _Origins | None) -> _Origins:
    return where or _NOTHING


@_origins.register
def _(op: ops.CountDistinctStar, found: Mapping[ops.Node, Any], *, arg: _Columns, where: _Origins | None) -> _Origins:
    return _merged(arg.values())


@_origins.register
def _(op: ops.WindowFunction, found: Mapping[ops.Node, Any], **arguments: Any) -> _Origins:
    return _merged(arguments.values()) if isinstance(op.func, _RANKS) else arguments["func"]


@_origins.register
def _(op: ops.ScalarSubquery, found: Mapping[ops.Node, Any], *, rel: _Columns) -> _Origins:
    return _merged(rel.values())


@_origins.register
def _(op: ops.InSubquery, found: Mapping[ops.Node, Any], *, rel: _Columns, needle: _Origins) -> _Origins:
    return _merged(rel.values()) | needle


@_origins.register
def _(op: ops.ExistsSubquery, found: Mapping[ops.Node, Any], *, rel: _Columns) -> _Origins:
    return _merged(found[p] for p in op.rel.predicates) if isinstance(op.rel, ops.Filter) else _NOTHING


# Relations


@_origins.register
def _(op: ops.PhysicalTable, found: Mapping[ops.Node, Any], **arguments: Any) -> _Columns:
    return {column: frozenset({(op.name, column)}) for column in op.schema}


@_origins.register
def _(op: ops.InMemoryTable, found: Mapping[ops.Node, Any], **arguments: Any) -> _Columns:
    return dict.fromkeys(op.schema, _NOTHING)


@_origins.register(ops.Project)
@_origins.register(ops.JoinChain)
@_origins.register(ops.DummyTable)
def _(op: ops.Relation, found: Mapping[ops.Node, Any], *, values: _Columns, **arguments: Any) -> _Columns:
    return values


@_origins.register
def _(
    op: ops.Aggregate, found: Mapping[ops.Node, Any], *, parent: _Columns, groups: _Columns, metrics: _Columns
) -> _Columns:
    return {**groups, **metrics}


@_origins.register(ops.Filter)
@_origins.register(ops.Sort)
@_origins.register(ops.Limit)
@_origins.register(ops.Distinct)
@_origins.register(ops.DropNull)
@_origins.register(ops.Sample)
@_origins.register(ops.Reference)
@_origins.register(ops.AliasedRelation)
def _(op: ops.Relation, found: Mapping[ops.Node, Any], *, parent: _Columns, **arguments: Any) -> _Columns:
    return parent


@_origins.register
def _(op: ops.FillNull, found: Mapping[ops.Node, Any], *, parent: _Columns, replacements: Any) -> _Columns:
    given = replacements if isinstance(replacements, dict) else dict.fromkeys(parent, replacements)
    return {column: _merged((origins, given.get(column))) for column, origins in parent.items()}


@_origins.register
def _(op: ops.DropColumns, found: Mapping[ops.Node, Any], *, parent: _Columns, **arguments: Any) -> _Columns:
    return {column: parent[column] for column in op.schema}


@_origins.register(ops.Union)
@_origins.register(ops.Intersection)
def _(op: ops.Set, found: Mapping[ops.Node, Any], *, left: _Columns, right: _Columns, distinct: bool) -> _Columns:
    return {column: left[column] | right[column] for column in left}


@_origins.register
def _(
    op: ops.Difference, found: Mapping[ops.Node, Any], *, left: _Columns, right: _Columns, distinct: bool
) -> _Columns:
    return left


@_origins.register
def _(
    op: ops.TableUnnest, found: Mapping[ops.Node, Any], *, parent: _Columns, column: _Origins, **arguments: Any
) -> _Columns:
    made = {name: column for name in (op.column_name, op.offset) if name is not None}
    return {name: {**parent, **made}[name] for name in op.schema}
