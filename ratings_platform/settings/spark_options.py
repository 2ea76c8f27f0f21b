"""Options for Spark as people write them.

Belongs here: reading them from a setting or from a file. Does not belong here: which options Spark gets by itself.
"""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from ratings_platform.schema.errors import SettingsError
from ratings_platform.schema.textfiles import read_text

_NEXT_OPTION = re.compile(r",\s*spark\.[\w.]+=")
_OPTION = re.compile(r"(spark\.[^\s=:]+)(?:\s*[=:]\s*|\s+)(\S.*)", re.DOTALL)


def options_in_text(text: str) -> dict[str, str]:
    """Options from `spark.a=b spark.c="d e"` or a JSON object. Values may be secrets: errors show none."""
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"the JSON is broken at character {error.pos + 1}") from None
        pairs = [(name, json.dumps(v) if isinstance(v, bool | dict | list) else str(v)) for name, v in found.items()]
    else:
        try:
            pairs = [(name, value) for name, _, value in (word.partition("=") for word in shlex.split(text))]
        except ValueError:
            raise ValueError("a quotation mark is left open") from None
    for number, (name, value) in enumerate(pairs, 1):
        if not _OPTION.fullmatch(f"{name}={value}"):
            raise ValueError(f"option {number} is not like spark.NAME=VALUE; values with blanks stand in quotes")
        if _NEXT_OPTION.search(value):
            raise ValueError(f"option {number} holds another: options are parted by blanks, not by commas")
    return dict(pairs)


def options_in_file(file: Path) -> dict[str, str]:
    """Options from a file like Spark's own spark-defaults.conf."""
    try:
        lines = read_text(file).split("\n")
    except SettingsError as error:
        raise ValueError(f"the file {error.problem}") from None
    found = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if line and not line.startswith("#"):
            option = _OPTION.fullmatch(line)
            if option is None:
                raise ValueError(f"line {number} is not like spark.NAME VALUE")
            found[option[1]] = option[2]
    return found
