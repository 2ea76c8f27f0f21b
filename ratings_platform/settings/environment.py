"""Settings from the environment and `.env`, checked once, early.

Belongs here: reading the environment, for our settings and for those of the programs that we use, and the one line
that a wrong value ends in. Does not belong here: which settings there are (`declared`).
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from ratings_platform.schema.errors import SettingsError
from ratings_platform.settings.declared import Settings, StudySettings
from ratings_platform.settings.dotenv_file import PREFIX, read_dotenv
from ratings_platform.settings.folders import misread
from ratings_platform.settings.kaggle import KaggleLogin, checked, find_login
from ratings_platform.settings.values import shown

# What a value of these may be was meant to stay secret, even where it makes no sense.
_NEVER_SHOWN = {"webhook", "warehouse_password", "warehouse_password_secret", "spark_options"}

_AWS_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_AWS_ADDRESSES = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SECRETS_MANAGER")
_AWS_NAMES = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE")

S = TypeVar("S", bound="StudySettings")


def load_settings(**overrides: Any) -> Settings:
    """The shared settings from the environment and `.env`, with `overrides` that are not None on top.

    Raises SettingsError, one line, when a value makes no sense.
    """
    for name, value in read_dotenv().items():
        if value and not name.upper().startswith(PREFIX):  # theirs who read the environment: Dagster, Kaggle's client
            os.environ.setdefault(name, value)
    settings = _load(Settings, overrides)
    _refuse_misread(settings)
    if settings.uses_aws:
        _mend_for_aws()
    return settings


def _refuse_misread(settings: Settings) -> None:
    """Raise SettingsError when a library would take the path of a folder for something else."""
    try:
        folders = list(settings.folders())
    except ValueError as error:
        raise SettingsError(str(error), file="DAGSTER_HOME", remedy="Unset it for a folder below the home.") from None
    for setting, path, use in folders:
        if problem := misread(path, use):
            raise SettingsError(problem, file=setting, remedy="Choose another folder.")


def load_study_settings(group: type[S]) -> S:
    """A study's own settings. Raises SettingsError like `load_settings`."""
    return _load(group, {})


def kaggle_login() -> KaggleLogin | None:
    """Kaggle's token, or user name and key, from the environment or the files that Kaggle's client keeps."""
    return find_login(os.environ)


def aws_region() -> str | None:
    """The region that the environment names; AWS's client knows only the second name, and its own files beside."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


def _mend_for_aws() -> None:
    """Take away what was copied along with AWS's settings; refuse what its libraries would quote in their errors."""
    for name in {*_AWS_KEYS, *_AWS_ADDRESSES, *_AWS_NAMES} & os.environ.keys():
        os.environ[name] = os.environ[name].strip()
    for name in (name for name in (*_AWS_KEYS, *_AWS_ADDRESSES) if os.environ.get(name)):
        os.environ[name] = checked(name, os.environ[name])
        if name in _AWS_ADDRESSES and "@" in os.environ[name]:
            raise SettingsError(
                "it holds a user or a password",
                file=name,
                remedy="Give http://HOST:PORT; keys have settings of their own.",
            )


def prepare_for_spark() -> str | None:
    """Have this Python run Spark's workers, unless the environment names another; returns the Java that Spark uses.

    None where spark-submit has started this process: then it has started Java too, and chosen where Spark runs.
    """
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        return None
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    home = os.environ.get("JAVA_HOME")
    return str(Path(home, "bin", "java")) if home else "java"


def _load(group: type[S], overrides: Mapping[str, Any]) -> S:
    try:
        return group(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        value = "" if name in _NEVER_SHOWN else shown(first["input"])
        raise SettingsError(
            f"{PREFIX}{name.upper()}{value and f' is {value}'}: {first['msg'].removeprefix('Value error, ')}",
            remedy="See .env.example for all settings.",
        ) from None


def refuse_unknown_names(*groups: type[StudySettings]) -> None:
    """Raise SettingsError when the environment or `.env` holds a name with our prefix that no group declares."""
    declared: list[type[StudySettings]] = [Settings, *groups]
    known = {PREFIX + name.upper() for group in declared for name in group.model_fields}
    given = {*os.environ, *read_dotenv()}
    for name in sorted(n.upper() for n in given if n.upper().startswith(PREFIX)):
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise SettingsError(
                f"{name} is not a setting", remedy=f"Did you mean {close[0]}?" if close else "See .env.example."
            )


def override(**values: object) -> None:
    """Set settings for this process and those that it starts; None leaves a setting as it is."""
    for name, value in values.items():
        if value is not None:
            os.environ[PREFIX + name.upper()] = str(value)
