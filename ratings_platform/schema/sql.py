"""Expressions as SQL, and names and texts inside SQL.

Belongs here: compiling an expression once for each dialect, and quoting for the few statements that no library
builds. Does not belong here: running SQL. Values of data never go through here: they are bound or read from files.
"""

from __future__ import annotations

from functools import lru_cache

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir


def compiled(expr: ir.Expr, dialect: str = "duckdb") -> str:
    """The SQL of an expression over unbound tables."""
    return _compiled(expr.op(), dialect)


@lru_cache(maxsize=1024)
def _compiled(op: ops.Node, dialect: str) -> str:
    return str(ibis.to_sql(op.to_expr(), dialect=dialect))


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal; for paths and declared words."""
    return "'" + text.replace("'", "''") + "'"
