"""Values that settings refuse, and what may be said of them.

Belongs here: telling addresses from folders, and what of a refused value people are shown. Does not belong here: which
values a setting takes (`declared`).

A refused value may be a password in the wrong place or an address with one. No pattern finds those in values that are
ill-formed: so only what can hold none is shown.
"""

from __future__ import annotations

import re
from pathlib import Path

# An address, or what may be one with a user and a password: a folder is not meant by it. Of :// a Path keeps so much.
_ADDRESS = re.compile(r":/|^[^/]*:.*@", re.DOTALL)
# The password, ill-formed as it may be, ends before an @; of the characters before it none need be quoted.
_WITH_PASSWORD = re.compile(r"\w+://[^@]*:[^@]*@", re.ASCII)
# Words, numbers and paths. Addresses, pairs of names and values, and JSON need other characters.
_PLAIN = re.compile(r"[\w\s.,/~%*()\[\]<>+-]*")
_SCHEME = re.compile(
    r"(duckdb|file|ftp|gs|hdfs|https?|jdbc|k8s|mariadb|mesos|mysql|mysql\+\w{,9}|postgres|postgresql|s3a?|spark|sqlite)://"
)


def is_address(value: str) -> bool:
    """Whether a value that should be a folder is meant for something else."""
    return _ADDRESS.search(value) is not None


def holds_password(address: str) -> bool:
    """Whether an address, well-formed or not, has a password between its scheme and its host."""
    return _WITH_PASSWORD.search(address) is not None


def shown(value: object) -> str:
    """What may be shown of a refused value, in quotes: all of it, an address's scheme, or nothing."""
    if not isinstance(value, str):
        return ""
    if _PLAIN.fullmatch(value) or is_path(value):
        return repr(value)
    scheme = _SCHEME.match(value)
    return f"'{scheme[0]}…'" if scheme else ""


def is_path(value: str) -> bool:
    """Whether a value is a path without doubt: the folder that it names before the last slash is there."""
    folder = Path(value).parent
    try:
        return folder not in (Path(), Path("/")) and folder.is_dir()
    except (OSError, ValueError):
        return False
