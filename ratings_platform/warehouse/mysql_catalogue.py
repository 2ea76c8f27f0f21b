"""What a MySQL or MariaDB server says of its tables.

Belongs here: reading all that makes two tables alike, and telling in words where they are not. Does not belong here:
what a table should be like, and mending it.
"""

from __future__ import annotations

from ratings_platform.warehouse.mysql_session import Session

_ORDER = "the order of its columns"

# All that makes a table what it is, in words: `column x`, `index by_x`, how it is stored. Comments do not count.
Description = dict[str, str]


def columns(session: Session, name: str) -> dict[str, str]:
    """Names and types of a table's columns, in order; empty when there is no such table."""
    found = session.fetch(
        "SELECT column_name, column_type FROM information_schema.columns"
        " WHERE table_schema = DATABASE() AND table_name = %s ORDER BY ordinal_position",
        name,
    )
    return dict(found)


def describe(session: Session, name: str) -> Description:
    """A table as it is; empty when there is no such table."""
    found = _columns(session, name)
    if not found:
        return {}
    found[_ORDER] = ", ".join(column.removeprefix("column ") for column in found)
    return (
        found
        | indexes(session, name)
        | _constraints(session, name)
        | _triggers(session, name)
        | _storage(session, name)
    )


def indexes(session: Session, name: str) -> Description:
    rows = session.fetch(
        "SELECT index_name, column_name, sub_part, non_unique FROM information_schema.statistics"
        " WHERE table_schema = DATABASE() AND table_name = %s ORDER BY index_name, seq_in_index",
        name,
    )
    found: dict[str, list[str]] = {}
    for index, column, length, not_unique in rows:
        found.setdefault(f"index {index}", [] if int(not_unique) else ["unique"]).append(
            f"{column}({length})" if length else f"{column}"
        )
    return {index: " ".join(words) for index, words in found.items()}


def differences(found: Description, declared: Description) -> list[str]:
    """Where a table is not as declared, a line each: what it is about, as it is, as declared."""
    if not found:
        return ["it is missing"]
    about = [name for name in {**declared, **found} if found.get(name) != declared.get(name)]
    if any(name.startswith("column ") for name in about):
        about = [name for name in about if name != _ORDER]
    return [f"{name} is {found.get(name, 'missing')}, declared {declared.get(name, 'nowhere')}" for name in about]


def _columns(session: Session, name: str) -> Description:
    rows = session.fetch(
        "SELECT column_name, column_type, is_nullable, collation_name, column_default, extra"
        " FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s"
        " ORDER BY ordinal_position",
        name,
    )
    return {
        f"column {column}": kind
        + ("" if nullable == "YES" else " not null")
        + (f" collate {collation}" if collation else "")
        + (f" default {default}" if default not in (None, "NULL") else "")
        + (f" {extra}" if extra else "")
        for column, kind, nullable, collation, default, extra in rows
    }


def _constraints(session: Session, name: str) -> Description:
    """Checks, and foreign keys from this table and to it."""
    own = session.fetch(
        "SELECT constraint_name, constraint_type FROM information_schema.table_constraints"
        " WHERE table_schema = DATABASE() AND table_name = %s AND constraint_type IN ('CHECK', 'FOREIGN KEY')",
        name,
    )
    of_others = session.fetch(
        "SELECT DISTINCT constraint_name, table_name FROM information_schema.key_column_usage"
        " WHERE referenced_table_schema = DATABASE() AND referenced_table_name = %s",
        name,
    )
    return {f"constraint {constraint}": kind for constraint, kind in own} | {
        f"constraint {constraint} of table {table}": "FOREIGN KEY to it" for constraint, table in of_others
    }


def _triggers(session: Session, name: str) -> Description:
    """MySQL tells of them only who has the privilege TRIGGER."""
    rows = session.fetch(
        "SELECT trigger_name, action_timing, event_manipulation FROM information_schema.triggers"
        " WHERE event_object_schema = DATABASE() AND event_object_table = %s",
        name,
    )
    return {f"trigger {trigger}": f"{moment} {event}" for trigger, moment, event in rows}


def _storage(session: Session, name: str) -> Description:
    ((engine, row_format, collation),) = session.fetch(
        "SELECT engine, row_format, table_collation FROM information_schema.tables"
        " WHERE table_schema = DATABASE() AND table_name = %s",
        name,
    )
    cuts = session.fetch(
        "SELECT DISTINCT partition_method, partition_expression, subpartition_method FROM information_schema.partitions"
        " WHERE table_schema = DATABASE() AND table_name = %s",
        name,
    )
    method, by, again = cuts[0] if cuts else (None, None, None)
    return {
        "its engine": engine,
        "its row format": row_format,
        "its collation": collation,
        "its partitioning": f"{method} of {str(by).strip('`')}{f', {again}' if again else ''}" if method else "none",
    }
