"""The platform's settings: read from the environment and `.env`, checked once, in one place.

Belongs here: every setting, its default, and the errors that teach what a right value looks like. Does not belong
here: anything that acts on a setting. No other module reads the environment.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ratings_platform.schema.errors import SettingsError

PREFIX = "RATINGS_"
_SCHEME = "duckdb:///"
_PASSWORD = re.compile(r"://[^/]*@")

S = TypeVar("S", bound="StudySettings")


class StudySettings(BaseSettings):
    """What every group of settings shares: names `RATINGS_<NAME>`, read from the environment, then from `.env`.

    A study with settings of its own declares a subclass in its folder.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )


class Settings(StudySettings):
    """The settings that all studies share; paths are absolute once read."""

    home: Path = Field(Path("data"), description="Folder for everything the platform writes.")
    source: str = Field("sample", description="Where vendor files come from: sample, kaggle, or a directory.")
    lake: Path | None = Field(None, description="Folder of the lake; default $RATINGS_HOME/lake.")
    warehouse: str | None = Field(
        None, description="duckdb:///PATH or mysql://USER@HOST:3306/DATABASE; default $RATINGS_HOME/warehouse.duckdb."
    )
    warehouse_password: SecretStr | None = Field(None, description="Password of a MySQL warehouse.")
    warehouse_password_file: Path | None = Field(None, description="File that holds it instead.")
    engine: Literal["duckdb"] = Field("duckdb", description="What runs the expressions.")
    sample_ratings: int = Field(200_000, ge=100, description="Ratings in the sample.")
    sample_seed: int = Field(1, ge=0, description="Seed of the sample.")
    reject_threshold: float = Field(0.01, ge=0, le=1, description="Share of rejected rows above which a check warns.")
    memory_limit: str = Field("2.5GB", pattern=r"^\d+(\.\d+)?\s*[KMGT]i?B$", description="Memory that DuckDB may use.")
    owner: str = Field("team:ratings-platform", description="Owner shown for every asset: team:NAME or an address.")
    webhook: SecretStr | None = Field(None, description="URL that failures are posted to, as JSON.")

    @field_validator("home", "lake")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        if value is not None and "://" in str(value).replace(":/", "://"):
            raise ValueError("give a folder on this machine")
        return value.expanduser().absolute() if value is not None else None

    @field_validator("warehouse")
    @classmethod
    def _known_database(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).password is not None:
            raise ValueError(f"the address holds a password: set {PREFIX}WAREHOUSE_PASSWORD instead")
        if value is None or value.startswith("mysql://") or (value.startswith(_SCHEME) and value != _SCHEME):
            return value
        raise ValueError("give duckdb:///PATH or mysql://USER@HOST:3306/DATABASE")

    @field_validator("source")
    @classmethod
    def _known_source(cls, value: str) -> str:
        if value in ("sample", "kaggle"):
            return value
        directory = Path(value).expanduser().absolute()
        if not directory.is_dir():
            raise ValueError("give sample, kaggle, or a directory that exists")
        return str(directory)

    @property
    def lake_root(self) -> str:
        return str(self.lake or self.home / "lake")

    @property
    def warehouse_path(self) -> Path:
        """The file of a DuckDB warehouse."""
        default = self.home / "warehouse.duckdb"
        return Path(self.warehouse.removeprefix(_SCHEME)).expanduser().absolute() if self.warehouse else default

    @property
    def warehouse_url(self) -> str:
        """Which warehouse, and where; never with a password."""
        is_mysql = self.warehouse and self.warehouse.startswith("mysql://")
        return str(self.warehouse) if is_mysql else f"{_SCHEME}{self.warehouse_path}"

    @property
    def scratch(self) -> Path:
        """Files that no one needs after a run."""
        return self.home / "scratch"

    @property
    def sample_folder(self) -> Path:
        """A sample's folder is named after what makes its bytes, so that another size or seed is another sample."""
        return self.home / "sample" / f"{self.sample_ratings}-ratings-seed-{self.sample_seed}"

    @cached_property
    def dagster_home(self) -> Path:
        return Path(os.environ.get("DAGSTER_HOME") or self.home / "dagster").expanduser().absolute()


def load_settings(**overrides: Any) -> Settings:
    """The shared settings from the environment and `.env`, with `overrides` that are not None on top.

    Raises SettingsError, one line, when a value makes no sense.
    """
    for name, value in _dotenv().items():
        if value and not name.upper().startswith(PREFIX):  # theirs who read the environment: Dagster, Kaggle's client
            os.environ.setdefault(name, value)
    return _load(Settings, overrides)


def load_study_settings(group: type[S]) -> S:
    """A study's own settings. Raises SettingsError like `load_settings`."""
    return _load(group, {})


def warehouse_password() -> str:
    """The password of a MySQL warehouse, from the environment or a file; asked for at each connecting, kept nowhere."""
    settings = load_settings()
    if settings.warehouse_password is not None:
        return settings.warehouse_password.get_secret_value()
    if settings.warehouse_password_file is None:
        return ""
    try:
        return settings.warehouse_password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(
            f"the file that {PREFIX}WAREHOUSE_PASSWORD_FILE names cannot be read ({type(error).__name__})",
            file=str(settings.warehouse_password_file),
            remedy="Name a text file that holds nothing but the password.",
        ) from None


def kaggle_login() -> tuple[str, SecretStr] | None:
    """Kaggle's user name and key, if both are set. A token or a file in ~/.kaggle is read by Kaggle's client itself."""
    name, key = os.environ.get("KAGGLE_USERNAME"), os.environ.get("KAGGLE_KEY")
    return (name, SecretStr(key)) if name and key else None


def _load(group: type[S], overrides: Mapping[str, Any]) -> S:
    try:
        return group(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = PREFIX + str(first["loc"][0]).upper()
        shown = "" if name == f"{PREFIX}WEBHOOK" else f" is {_PASSWORD.sub('://***@', repr(first['input']))}"
        raise SettingsError(
            f"{name}{shown}: {first['msg'].removeprefix('Value error, ')}",
            remedy="See .env.example for all settings.",
        ) from None


def _dotenv() -> Mapping[str, str | None]:
    try:
        return dotenv_values(".env") if Path(".env").is_file() else {}
    except UnicodeDecodeError:
        raise SettingsError("the file is not UTF-8", file=".env", remedy="Save it as UTF-8.") from None


def refuse_unknown_names(*groups: type[StudySettings]) -> None:
    """Raise SettingsError when the environment or `.env` holds a name with our prefix that no group declares."""
    declared: list[type[StudySettings]] = [Settings, *groups]
    known = {PREFIX + name.upper() for group in declared for name in group.model_fields}
    given = {*os.environ, *_dotenv()}
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
