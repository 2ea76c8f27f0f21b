"""A short name for what an expression computes, which changes when that changes.

Belongs here: the digest of an Ibis expression, the same in every process and without compiling it to SQL. Does not
belong here: what a changed digest leads to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import ibis.expr.operations as ops
import ibis.expr.types as ir


def digest(expr: ir.Expr) -> str:
    """Twelve hexadecimal digits. Equal expressions, over tables of equal names and columns, have equal digests."""
    node = expr.op()
    return str(node.map(_digest)[node])[:12]


# Ibis visits each node once, children first: arguments that are nodes arrive as their digests.
def _digest(op: ops.Node, _: Mapping[ops.Node, str], **arguments: Any) -> str:
    return hashlib.sha256(f"{type(op).__name__}({arguments!r})".encode()).hexdigest()
