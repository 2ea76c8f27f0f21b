"""The SQL that makes a declared table in DuckDB.

Belongs here: CREATE TABLE and COMMENT ON, built from a declaration. Does not belong here: running SQL, and loading
rows.

Keys and references are not declared to the database: checks prove them.
"""

from __future__ import annotations

import sqlglot.expressions as sge

from ratings_platform.schema.tables import Table


def create_table(table: Table) -> str:
    """CREATE TABLE under the table's bare name, with types and NOT NULL."""
    columns = table.ibis_schema.to_sqlglot_column_defs("duckdb")
    return sge.Create(kind="TABLE", this=sge.Schema(this=_table(table), expressions=columns)).sql("duckdb")


def comments(table: Table) -> tuple[str, ...]:
    """One COMMENT ON for the table and one for each column, in order."""
    about_columns = (
        _comment("COLUMN", sge.column(column.name, table=table.name, quoted=True), column.description)
        for column in table.columns
    )
    about = (_comment("TABLE", _table(table), table.description), *about_columns)
    return tuple(statement.sql("duckdb") for statement in about)


def _table(table: Table) -> sge.Table:
    return sge.Table(this=sge.to_identifier(table.name, quoted=True))


def _comment(kind: str, what: sge.Expression, text: str) -> sge.Comment:
    return sge.Comment(kind=kind, this=what, expression=sge.Literal.string(text))
