"""Folders that settings name, and paths that libraries would take for something else.

Belongs here: making paths absolute, and refusing those that a library would not read as they are. Does not belong
here: making folders. Where a library has a way to take a path as it is, it is used instead of a rule here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Use:
    """What a folder is for, and what its path cannot hold then."""

    what: str
    misread: re.Pattern[str]


# None of them could be shown in one line.
ANY = Use("any", re.compile("[\x00-\x1f\x7f\ud800-\udfff]"))
# The Delta library cuts addresses at ? and #, decodes %20, and turns \ round; DuckDB takes name=value for a partition.
LAKE = Use("a lake", re.compile(r"[?#\\=]|%[0-9A-Fa-f]{2}"))
# Copies of a lake's files on this machine are read by DuckDB alone.
COPIES = Use("copies of a lake's files", re.compile("="))
# DuckDB cuts a database's name at ? where it puts its log beside it, and turns \ round.
WAREHOUSE = Use("a DuckDB warehouse", re.compile(r"[?\\]"))
# Dagster makes an address for SQLite of it as it is, and takes the path of its dagster.yaml for a pattern.
DAGSTER = Use("Dagster", re.compile(r"[?*\[]|%[0-9A-Fa-f]{2}"))
# A list of folders, to Spark.
SPARK = Use("Spark", re.compile(","))


def absolute(path: str | Path) -> Path:
    """The path from the root on, a home at its start spelt out. Raises ValueError when there is no such home."""
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        raise ValueError("~ stands for no home here; write the path out") from None


def misread(path: Path, use: Use) -> str | None:
    """What is wrong with a path for a use; None where it will do.

    Shown is no more of it than what is there: the rest may be no path, but a password in the wrong place.
    """
    if ANY.misread.search(str(path)):
        return "the path holds a line break or another sign that cannot be shown"
    found = use.misread.search(str(path))
    if found is None:
        return None
    there = next(str(folder) for folder in (path, *path.parents) if _is_there(folder))
    place = f" in {there}" if found[0] in there else ""
    return f"the path holds '{found[0]}'{place}, which does not go with {use.what}"


def _is_there(folder: Path) -> bool:
    try:
        return folder.exists()
    except OSError:  # as for a name that is too long
        return False
