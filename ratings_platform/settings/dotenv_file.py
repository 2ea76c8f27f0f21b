"""The file `.env` in the working directory.

Belongs here: reading it, and refusing lines that set nothing or something else than they say. Does not belong here:
what its names mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values
from dotenv.parser import Binding, parse_stream

from ratings_platform.schema.errors import SettingsError
from ratings_platform.schema.textfiles import read_text

PREFIX = "RATINGS_"
_FILE = ".env"
_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
# What python-dotenv, Dagster and Docker put other values for.
_REPLACED = re.compile(r"\$\{[^}]*\}")
_OURS = re.compile(rf"^\s*(export\s+)?{PREFIX}", re.MULTILINE | re.IGNORECASE)


def read_dotenv() -> dict[str, str]:
    """Names and values of the file; empty where there is no file.

    Raises SettingsError for a line that sets nothing, and for a value of ours that other readers would change.
    """
    if not Path(_FILE).is_file():
        return {}
    text = read_text(Path(_FILE))
    for line, binding in _bindings(text):
        _refuse_misunderstood(line, binding)
    return {name: value or "" for name, value in dotenv_values(stream=StringIO(text)).items()}


def dotenv_above() -> Path | None:
    """The nearest such file in a folder above that has settings of ours, where the working directory has none."""
    folder = Path.cwd()
    found = next((place / _FILE for place in (folder, *folder.parents) if _has_ours(place / _FILE)), None)
    return found if found and found.parent != folder else None


def _has_ours(file: Path) -> bool:
    try:
        return _OURS.search(read_text(file)) is not None
    except SettingsError:
        return False


def _bindings(text: str) -> Iterator[tuple[int, Binding]]:
    """What stands in the text, each with the number of its line; comments and empty lines are left out."""
    for binding in parse_stream(StringIO(text)):
        before = binding.original.string[: -len(binding.original.string.lstrip()) or None]
        if binding.error or binding.key is not None:
            yield binding.original.line + before.count("\n"), binding


def _refuse_misunderstood(line: int, binding: Binding) -> None:
    name, value = binding.key or "", binding.value
    if binding.error or value is None or not _NAME.fullmatch(name):
        remedy = "Write NAME=VALUE, and close quotation marks."
        raise SettingsError("is not like NAME=VALUE", file=_FILE, line=line, remedy=remedy)
    if name.upper().startswith(PREFIX) and _REPLACED.search(value):
        raise SettingsError(
            f"{name} holds ${{…}}, which other readers of the file replace",
            file=_FILE,
            line=line,
            remedy="Write it out; a password goes into the environment, or into a file named by "
            f"{PREFIX}WAREHOUSE_PASSWORD_FILE.",
        )
