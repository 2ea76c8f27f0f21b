"""Small text files that people write: passwords, tokens, options, settings.

Belongs here: reading one, however editors and shells save it. Does not belong here: what it says, and vendors' files.
"""

from __future__ import annotations

import codecs
from pathlib import Path

from ratings_platform.schema.errors import SettingsError

_LARGEST = 1 << 20
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(file: Path) -> str:
    r"""The text of a file, without a byte order mark, its lines ending in \n.

    Raises SettingsError, which shows nothing of the text: it may be secret.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
        raise SettingsError(problem, file=str(file), remedy="Name a text file that you may read.") from None
    if len(content) > _LARGEST:
        raise SettingsError("is larger than 1 MiB", file=str(file), remedy="Name the right file, or shorten it.")
    text = _decoded(content)
    if text is None:
        problem = "is UTF-16, not UTF-8" if content.startswith(_UTF16) else "is not UTF-8"
        raise SettingsError(problem, file=str(file), remedy="Save it as UTF-8.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(content: bytes) -> str | None:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
