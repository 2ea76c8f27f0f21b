"""Small tables and single values as people read them.

Belongs here: Markdown tables, and how a value is written in these and on a terminal. Does not belong here: what is in
a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table of cells that are texts."""
    return "\n".join(_row(cells) for cells in (head, ["---"] * len(head), *rows))


def shown(value: Any, *, label: bool = False) -> str:
    """A value as text: thousands apart but in labels, four digits after the point, ISO dates, nothing for null."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.4f}"
    if isinstance(value, int | Decimal) and not isinstance(value, bool) and not label:
        return f"{value:,}"
    return str(value)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    """One line, with bars that do not end the cell (GitHub reads `\\|` so inside code as well)."""
    return " ".join(text.split()).replace("|", "\\|")
