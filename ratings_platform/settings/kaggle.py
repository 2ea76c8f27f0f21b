"""Who a user is at Kaggle.

Belongs here: finding a token, or a user name and its key, where Kaggle's own client would look for them. Does not
belong here: using them. Kaggle's client takes whatever stands in such a place, and what it cannot use is quoted in
errors: so it is given what is found here and reads nothing itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import SecretStr

from ratings_platform.schema.credentials import as_token
from ratings_platform.schema.errors import SettingsError
from ratings_platform.schema.textfiles import read_text
from ratings_platform.settings.values import shown

# A token, or a user name and its key.
KaggleLogin = SecretStr | tuple[str, SecretStr]

_TOKENS = ("access_token", "access_token.txt")
_PAIR = "kaggle.json"
_SET = "Set it anew, on one line, without quotation marks."
_SAVE = "Save it anew, alone, on one line, without quotation marks."
_DOWNLOAD = "Download it anew from https://www.kaggle.com/settings/api."


def find_login(environment: Mapping[str, str]) -> KaggleLogin | None:
    """The first of: a token that is set, one in a file, a name and key that are set, those in a file.

    Raises SettingsError for one that cannot be used, without showing it.
    """
    files = _files(environment)
    tokens, pairs = ([file for file in files if file.name in names] for names in (_TOKENS, (_PAIR,)))
    token, name, key = (environment.get(f"KAGGLE_{what}") for what in ("API_TOKEN", "USERNAME", "KEY"))
    if token:
        return _token_in(Path(token)) if _is_file(token) else SecretStr(checked("KAGGLE_API_TOKEN", token))
    if tokens:
        return _token_in(tokens[0])
    if name and key:
        return checked("KAGGLE_USERNAME", name), SecretStr(checked("KAGGLE_KEY", key))
    if pairs:
        return _pair_in(pairs[0])
    if folder := environment.get("KAGGLE_CONFIG_DIR"):
        raise SettingsError(
            f"{shown(folder) or 'the folder'} holds neither {_TOKENS[0]} nor {_PAIR}",
            file="KAGGLE_CONFIG_DIR",
            remedy="Name the folder that does, or unset it.",
        )
    return None


def checked(name: str, value: str) -> str:
    """The token or key that the environment holds under a name. Raises SettingsError when it cannot be one."""
    try:
        return as_token(value)
    except ValueError as error:
        raise SettingsError(str(error), file=name, remedy=_SET) from None


def _files(environment: Mapping[str, str]) -> list[Path]:
    """The files that are there, in the order in which they count."""
    folders = list(_folders(environment))
    return [file for name in (*_TOKENS, _PAIR) for folder in folders if (file := folder / name).is_file()]


def _folders(environment: Mapping[str, str]) -> Iterator[Path]:
    if given := environment.get("KAGGLE_CONFIG_DIR"):
        yield Path(given)
        return
    home = Path(environment.get("HOME") or "/")
    yield home / ".kaggle"
    yield Path(environment.get("XDG_CONFIG_HOME") or home / ".config", "kaggle")


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except OSError:  # as for a name that is too long, which a token may be
        return False


def _token_in(file: Path) -> SecretStr:
    try:
        return SecretStr(as_token(read_text(file)))
    except ValueError as error:
        raise SettingsError(str(error), file=str(file), remedy=_SAVE) from None


def _pair_in(file: Path) -> tuple[str, SecretStr]:
    text = read_text(file)
    try:
        found = json.loads(text)
        pair = found["username"], found["key"]
    except (ValueError, KeyError, TypeError):
        pair = (None, None)
    if not all(isinstance(value, str) for value in pair):
        problem = "is not a JSON object with a username and a key"
        raise SettingsError(problem, file=str(file), remedy=_DOWNLOAD) from None
    try:
        return as_token(pair[0]), SecretStr(as_token(pair[1]))
    except ValueError as error:
        raise SettingsError(f"the key cannot be used: {error}", file=str(file), remedy=_DOWNLOAD) from None
