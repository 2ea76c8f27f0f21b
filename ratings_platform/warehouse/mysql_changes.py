"""What has changed in a study's declared tables since its last migration, and the SQL that follows them.

Belongs here: the tables as a file beside the migrations keeps them, and statements that add and widen; they lose no
data and may run twice. Does not belong here: the files of migrations (`mysql_migrations`), and any server.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ratings_platform.schema.study import Study
from ratings_platform.schema.tables import Table
from ratings_platform.warehouse.mysql_ddl import (
    create_mysql_table,
    mysql_column,
    mysql_index,
    mysql_index_name,
    mysql_key,
    mysql_name,
    mysql_type,
)

FILE = "tables.json"
# Stands in CREATE TABLE for the collation, which each server names in its own way.
COLLATION = "{collation}"

# Each type holds all values of those before it.
_WIDENING = (("TINYINT", "SMALLINT", "INT", "BIGINT"), ("FLOAT", "DOUBLE"), ("VARCHAR(255)", "MEDIUMTEXT"))

Tables = Mapping[str, Mapping[str, Any]]


class Change(NamedTuple):
    """A statement, or, where none can do without harm to data, what a person has to see to."""

    statement: str | None
    by_hand: str = ""


def declared(study: Study) -> Tables:
    """The tables of a study's warehouse, as far as migrations follow them: no comments, no years."""
    return {
        table.name: {
            "columns": {column.name: mysql_type(table, column) for column in table.columns},
            "key": list(mysql_key(table)),
            "indexes": [list(index) for index in table.indexes],
            "partition_by": table.partition_by,
        }
        for table in study.warehouse_tables
    }


def written(study: Study) -> str:
    return json.dumps(declared(study), indent=1) + "\n"


def changes(study: Study) -> list[Change]:
    """What has to be done to a warehouse at the study's last migration, in order."""
    file = study.migrations / FILE if study.migrations else None
    before: Tables = json.loads(file.read_text(encoding="utf-8")) if file and file.exists() else {}
    after = declared(study)
    found: list[Change] = []
    for table in study.warehouse_tables:
        if table.name in before:
            found += _altered(table, before[table.name], after[table.name])
        else:
            found.append(Change(_created(table)))
    gone = [name for name in before if name not in after]
    return found + [Change(None, f"table {name} is declared no more: it stays, with its rows") for name in gone]


def _created(table: Table) -> str:
    years = () if table.partition_by else None
    return create_mysql_table(table, collation=COLLATION, years=years, indexes=table.indexes, unless_there=True)


def _altered(table: Table, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    alter = f"ALTER TABLE {mysql_name(table.name)}"
    old, new = before["columns"], after["columns"]
    place = "FIRST"
    for column in table.columns:
        definition = mysql_column(table, column)
        if column.name not in old and new[column.name].startswith("DATE") and not column.nullable:
            yield Change(
                None, f"column {table.name}.{column.name} has no day for rows that are there: make it nullable"
            )
        elif column.name not in old:
            # A column that MySQL adds in an instant would keep years from being exchanged.
            rebuilt = ", ALGORITHM=INPLACE" if table.partition_by else ""
            yield Change(f"{alter} ADD COLUMN {definition} {place}{rebuilt}")
        elif _wider(old[column.name], new[column.name]):
            yield Change(f"{alter} MODIFY COLUMN {definition}")
        elif old[column.name] != new[column.name]:
            what = f"{old[column.name]}, now declared {new[column.name]}"
            yield Change(None, f"column {table.name}.{column.name} is {what}: rows might not fit")
        place = f"AFTER {mysql_name(column.name)}"
    for name in old:
        if name not in new:
            yield Change(None, f"column {table.name}.{name} is declared no more: dropping it would lose its values")
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield Change(None, f"the columns of {table.name} are declared in another order")
    for index in after["indexes"]:
        if index not in before["indexes"]:
            yield Change(f"{alter} ADD {mysql_index(index)}")
    for index in before["indexes"]:
        if index not in after["indexes"]:
            yield Change(f"{alter} DROP INDEX {mysql_name(mysql_index_name(index))}")
    for what in ("key", "partition_by"):
        if before[what] != after[what]:
            yield Change(None, f"{what} of {table.name} was {before[what]}, now declared {after[what]}")


def _wider(old: str, new: str) -> bool:
    """Whether a column of the new type holds whatever one of the old does."""
    before, after = (kind.removesuffix(" NOT NULL").removesuffix(" NULL") for kind in (old, new))
    wider = before == after or any(before in types and after in types[types.index(before) :] for types in _WIDENING)
    stricter = new.endswith(" NOT NULL") and not old.endswith(" NOT NULL")
    return old != new and wider and not stricter
