"""The data dictionary: what people read about the tables, made from the declarations.

Belongs here: declarations, questions and lineage as Markdown, always the same text for the same input. Does not
belong here: where the text is kept, and anything that a declaration does not say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from ratings_platform.schema import markdown
from ratings_platform.schema.models import Question
from ratings_platform.schema.tables import LAYERS, Column, Table

# As `schema.lineage.column_lineage` gives it: the (table, column) pairs that each column comes from.
Lineage = Mapping[str, Sequence[tuple[str, str]]]


def data_dictionary(
    title: str, tables: Sequence[Table], lineage: Mapping[str, Lineage], questions: Sequence[Question] = ()
) -> str:
    """Markdown: each layer's tables in the order given, and the questions' tables with question and definition.

    `lineage` is by table path; a table without it (one read from files) shows no origins.
    """
    asked = {question.table.path: question for question in questions}
    every = dict.fromkeys((*tables, *(question.table for question in questions)))
    by_layer = groupby(sorted(every, key=_layer), key=lambda table: table.layer)
    parts = [f"# {title}"]
    for layer, members in by_layer:
        parts.append(f"## {layer}")
        parts.extend(_table_section(table, lineage.get(table.path), asked.get(table.path)) for table in members)
    return "\n\n".join(parts) + "\n"


def _layer(table: Table) -> int:
    return LAYERS.index(table.layer)


def _table_section(table: Table, lineage: Lineage | None, question: Question | None) -> str:
    parts = [f"### {table.path}", table.description, _facts(table, question), _columns(table, lineage)]
    return "\n\n".join(part for part in parts if part)


def _facts(table: Table, question: Question | None) -> str:
    facts = {
        "Question": question and question.question,
        "Definition": question and question.definition,
        "Sorted by": question and ", ".join(_sort_key(key) for key in question.order),
        "Key": _codes(table.key) or "none, rows may repeat",
        "Partition": table.partition_by and _code(table.partition_by),
        "Time": table.time_column and _code(table.time_column),
    }
    return "\n".join(f"- {name}: {fact}" for name, fact in facts.items() if fact)


def _sort_key(key: str) -> str:
    return f"{_code(key[1:])} descending" if key.startswith("-") else _code(key)


def _columns(table: Table, lineage: Lineage | None) -> str:
    head = ["Column", "Type", "Nullable", "Description", "Allowed values"]
    rows = [
        [_code(c.name), _code(c.type), "yes" if c.nullable else "no", c.description, _allowed(c)] for c in table.columns
    ]
    if lineage is not None:
        head = [*head, "Comes from"]
        rows = [[*row, _origins(lineage[c.name])] for row, c in zip(rows, table.columns, strict=True)]
    return markdown.table(head, rows)


def _allowed(column: Column) -> str:
    low, high = column.minimum, column.maximum
    if low is not None and high is not None:
        bounds = f"{low} to {high}"
    else:
        bounds = f"at least {low}" if low is not None else f"at most {high}" if high is not None else ""
    refers = f"those of {_code(column.references)}" if column.references else ""
    return "; ".join(filter(None, (_codes(column.allowed), bounds, refers)))


def _origins(origins: Sequence[tuple[str, str]]) -> str:
    return _codes([f"{table}.{column}" for table, column in origins]) or "no column"


def _codes(names: Sequence[str | int]) -> str:
    return ", ".join(_code(name) for name in names)


def _code(name: str | int) -> str:
    return f"`{name}`"
