"""What keeps runs from being recorded in Dagster's home, each cause with its remedy.

Belongs here: reading the errors of Dagster's own file of settings, of its databases and of the system. Does not belong
here: opening the instance (`running`). No error repeats a value: the file may hold passwords.
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from ratings_platform.schema.errors import PlatformError, is_disk_full

_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
_SPACE = "Free some space on its disk, or set DAGSTER_HOME to another folder, and run again."
_WRITE = "Let it be written to, or set RATINGS_HOME or DAGSTER_HOME to a folder that you may write to."
_WAIT = "Wait until the other program has finished, and run again."
_MEND = "Mend what the message names, or set DAGSTER_HOME to another folder."
# What databases say. A full disk is an I/O error to SQLite when it notices late.
_SAID = {
    "disk is full|disk I/O error": _SPACE,
    "readonly database|unable to open database file": _WRITE,
    "locked": _WAIT,
}
_NAMED = re.compile(
    r"Couldn't import module [\w.]+|(?:unexpected|required) config entr(?:y|ies) .{,200}? at (?:the root|path [\w:]+)"
)
_PLACE = re.compile(r"at path root:([\w:]+)")


def unrecorded(home: Path, error: DBAPIError | OSError) -> PlatformError:
    """The error for a fault of the folder or of its databases."""
    if isinstance(error, OSError):
        words = error.strerror or type(error).__name__
        remedy = _WRITE if error.errno in _NOT_WRITABLE else _SPACE if is_disk_full(error) else _MEND
    else:
        words = next(iter(str(error.orig).splitlines()), type(error.orig).__name__)
        remedy = next((remedy for said, remedy in _SAID.items() if re.search(said, words)), _MEND)
    return PlatformError(f"Dagster cannot record the run here ({words})", file=str(home), remedy=remedy)


def unopened(home: Path, error: Exception) -> PlatformError:
    """The error for an instance that cannot be made of what stands in the home."""
    if isinstance(error, DBAPIError | OSError):
        return unrecorded(home, error)
    return PlatformError(
        f"Dagster cannot use this file ({_cause(error)})",
        file=str(home / "dagster.yaml"),
        remedy="Correct it, or move it away: one that works is then written in its place.",
    )


def _cause(error: Exception) -> str:
    if named := _NAMED.search(str(error)):
        return named[0]
    if place := _PLACE.search(str(error)):
        return f"the value of {place[1]} cannot be used"
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1} is no YAML" if mark else type(error).__name__
