"""Expressions as SQL, and names and texts inside SQL.

Belongs here: compiling an expression once for each dialect, the types of its result, and quoting for the few
statements that no library builds. Does not belong here: running SQL. Values of data never go through here: they are
bound or read from files.
"""

from __future__ import annotations

import re
from functools import lru_cache

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa

# Escapes in texts that Ibis writes for Spark, which takes them for the letter alone.
_ESCAPES = {r"\a": r"\u0007", r"\v": r"\u000B", r"\f": r"\u000C"}


def compiled(expr: ir.Expr, dialect: str = "duckdb") -> str:
    """The SQL of an expression over unbound tables."""
    return _compiled(expr.op(), dialect)


@lru_cache(maxsize=1024)
def _compiled(op: ops.Node, dialect: str) -> str:
    if dialect == "pyspark":
        _ = ibis.pyspark  # Ibis knows its options for Spark only once the backend was touched.
    sql = str(ibis.to_sql(op.to_expr(), dialect=dialect))
    return re.sub(r"\\.", lambda found: _ESCAPES.get(found[0], found[0]), sql) if dialect == "pyspark" else sql


def result_schema(expr: ir.Expr) -> pa.Schema:
    """The columns of an expression's result as Ibis has them: engines have types of their own for sums and years."""
    return pa.schema([pa.field(field.name, field.type) for field in expr.as_table().schema().to_pyarrow()])


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """An SQL string literal; for paths and declared words."""
    return "'" + text.replace("'", "''") + "'"
