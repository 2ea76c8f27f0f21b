"""Passwords and tokens as people hand them over, with what comes along when they are copied.

Belongs here: taking away what cannot be part of one, and saying what else is wrong. Does not belong here: where they
come from. Libraries quote credentials that they cannot use; nothing here does.
"""

from __future__ import annotations

import re

_MARK = "\ufeff"
_QUOTES = "\"'`“”„‘’‚«»"


def as_token(text: str) -> str:
    """A token or key for a header of HTTP, without white space around it.

    Raises ValueError, in words that show nothing of it, when no header can hold it.
    """
    token = text.strip().strip(_MARK).strip()
    if not token:
        raise ValueError("it is empty")
    _refuse_lines(token)
    if token[0] in _QUOTES and token[-1] in _QUOTES:
        raise ValueError("it stands in quotation marks")
    if re.search(r"\s", token):
        raise ValueError("it has a blank inside")
    if wrong := re.search(r"[^!-~]", token):
        raise ValueError(f"its character {wrong.start() + 1} is none that a token has")
    return token


def as_password(text: str) -> str:
    """A password without line ends around it; blanks count, for they may be part of one.

    Raises ValueError, in words that show nothing of it, when it is empty, has several lines or is no text.
    """
    password = text.removeprefix(_MARK).strip("\r\n")
    if not password:
        raise ValueError("it is empty")
    _refuse_lines(password)
    if re.search("[\ud800-\udfff]", password):
        raise ValueError("it is not UTF-8")
    return password


def _refuse_lines(text: str) -> None:
    if re.search(r"[\r\n]", text):
        raise ValueError("it has more than one line")
