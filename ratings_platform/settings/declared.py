"""Which settings there are: their names, defaults, and what a right value looks like.

Belongs here: every setting that studies share, and what follows from one. Does not belong here: where values come from
(`environment`), and anything that acts on a setting.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from ratings_platform.schema.credentials import as_password, as_token
from ratings_platform.settings.dotenv_file import PREFIX, read_dotenv
from ratings_platform.settings.folders import ANY, COPIES, DAGSTER, LAKE, SPARK, WAREHOUSE, Use, absolute
from ratings_platform.settings.spark_options import options_in_file, options_in_text
from ratings_platform.settings.values import holds_password, is_address

_SCHEME = "duckdb:///"
_S3 = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9_-][\w.-]*)+/?", re.ASCII)
# The ways in which a password may come, in the order in which they are declared.
_PASSWORDS = ("warehouse_password", "warehouse_password_file", "warehouse_password_secret")
_SECRET_NAME = re.compile(r"[\w/+=.@!:-]+(#.+)?", re.ASCII)
# As Dagster takes them.
_OWNER = re.compile(r"team:.+|[\w.%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,7}", re.ASCII)
_PAGE = re.compile(r"https?://([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?([/?].*)?", re.ASCII)
_SPARK_MASTER = re.compile(r"local(\[(\*|[1-9]\d*)(,\d+)?\])?|yarn|(spark|k8s)://[^\s@]+")


class StudySettings(BaseSettings):
    """What every group of settings shares: names `RATINGS_<NAME>`, read from the environment, then from `.env`.

    A study with settings of its own declares a subclass in its folder.
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """In place of pydantic's own reader of `.env`, which passes over what it does not understand, ours."""
        given = {name.upper(): value for name, value in read_dotenv().items() if value}
        ours = {name: given[PREFIX + name.upper()] for name in cls.model_fields if PREFIX + name.upper() in given}
        return init_settings, env_settings, InitSettingsSource(settings_cls, ours)


class Settings(StudySettings):
    """The settings that all studies share; paths are absolute once read."""

    home: Path = Field(Path("data"), description="Folder for everything the platform writes.")
    source: str = Field("sample", description="Where vendor files come from: sample, kaggle, a directory, an archive.")
    lake: str | None = Field(None, description="A folder, or s3://BUCKET/PREFIX; default $RATINGS_HOME/lake.")
    warehouse: str | None = Field(
        None, description="duckdb:///PATH or mysql://USER@HOST:3306/DATABASE; default $RATINGS_HOME/warehouse.duckdb."
    )
    warehouse_password: SecretStr | None = Field(None, description="Password of a MySQL warehouse.")
    warehouse_password_file: Path | None = Field(None, description="File that holds it instead.")
    warehouse_password_secret: str | None = Field(
        None,
        description="Name or ARN of a secret of AWS Secrets Manager that holds it instead; NAME#KEY for a JSON key.",
    )
    engine: Literal["duckdb", "spark"] = Field("duckdb", description="What runs the expressions.")
    spark_master: str | None = Field(None, description="Where Spark runs; default local[*], all cores of this machine.")
    spark_options: SecretStr | None = Field(None, description="Options for Spark: spark.a=b spark.c=d, or JSON.")
    spark_options_file: Path | None = Field(None, description="More of them, in a file like Spark's own defaults.")
    sample_ratings: int = Field(200_000, ge=100, description="Ratings in the sample.")
    sample_seed: int = Field(1, ge=0, description="Seed of the sample.")
    reject_threshold: float = Field(0.01, ge=0, le=1, description="Share of rejected rows above which a check warns.")
    memory_limit: str = Field(
        "2.5GB",
        pattern=r"^\d+(\.\d+)?\s*[KMGT]i?B$",
        description="Memory that DuckDB, or Spark on this machine, may use.",
    )
    owner: str = Field("team:ratings-platform", description="Owner shown for every asset: team:NAME or an address.")
    webhook: SecretStr | None = Field(None, description="URL that failures are posted to, as JSON.")

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        if is_address(str(value)):
            raise ValueError("give a folder on this machine")
        return absolute(value)

    @field_validator("lake")
    @classmethod
    def _folder_or_bucket(cls, value: str | None) -> str | None:
        if value is None or _S3.fullmatch(value):
            return value and value.rstrip("/")
        if is_address(value):
            instead = "the address holds a key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead, and "
            form = "give a folder, or s3://BUCKET/PREFIX with a prefix of letters, digits and - _ . /"
            raise ValueError((instead if holds_password(value) else "") + form)
        return str(absolute(value))

    @field_validator("warehouse")
    @classmethod
    def _known_database(cls, value: str | None) -> str | None:
        form = "give duckdb:///PATH or mysql://USER@HOST:3306/DATABASE"
        if value is not None and not value.startswith(_SCHEME) and holds_password(value):
            instead = f"set {PREFIX}WAREHOUSE_PASSWORD instead, where / @ : # ? stand as they are"
            raise ValueError(f"the address holds a password: {instead}, and {form}")
        if value is None or value.startswith("mysql://"):
            return value
        if value.startswith(_SCHEME) and value != _SCHEME:
            return f"{_SCHEME}{absolute(value.removeprefix(_SCHEME))}"
        raise ValueError(form)

    @field_validator("warehouse_password")
    @classmethod
    def _one_line(cls, value: SecretStr | None) -> SecretStr | None:
        return value and SecretStr(as_password(value.get_secret_value()))

    @field_validator("webhook")
    @classmethod
    def _page(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        address = as_token(value.get_secret_value())
        if not _PAGE.fullmatch(address):
            raise ValueError("give http://HOST/… or https://HOST/…")
        return SecretStr(address)

    @field_validator("warehouse_password_secret")
    @classmethod
    def _named_secret(cls, value: str | None) -> str | None:
        if value is not None and not _SECRET_NAME.fullmatch(value):
            raise ValueError("give the name or ARN of a secret, and #KEY behind it for a key of a JSON secret")
        return value

    @field_validator("warehouse_password_file", "warehouse_password_secret")
    @classmethod
    def _only_password(cls, value: Any, others: ValidationInfo) -> Any:
        set_too = [name for name in _PASSWORDS if others.data.get(name) is not None]
        if value is not None and set_too:
            raise ValueError(f"{PREFIX}{set_too[0].upper()} is set too: set only one of them")
        return value

    @field_validator("spark_master")
    @classmethod
    def _known_master(cls, value: str | None) -> str | None:
        if value is None or _SPARK_MASTER.fullmatch(value):
            return value
        raise ValueError("give local[*], local[N], spark://HOST:PORT, yarn or k8s://ADDRESS")

    @field_validator("spark_options")
    @classmethod
    def _options(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            options_in_text(value.get_secret_value())
        return value

    @field_validator("spark_options_file")
    @classmethod
    def _options_file(cls, value: Path | None) -> Path | None:
        if value is not None:
            options_in_file(value)
        return value

    @field_validator("owner")
    @classmethod
    def _known_owner(cls, value: str) -> str:
        if _OWNER.fullmatch(value):
            return value
        raise ValueError("give team:NAME or an e-mail address")

    @field_validator("source")
    @classmethod
    def _known_source(cls, value: str) -> str:
        if value in ("sample", "kaggle"):
            return value
        path = absolute(value)
        if not path.exists():
            raise ValueError("give sample, kaggle, or a directory that exists, or an archive")
        return str(path)

    @property
    def lake_root(self) -> str:
        """The lake's address: a folder, or `s3://bucket/prefix`."""
        return self.lake or str(self.home / "lake")

    @property
    def uses_aws(self) -> bool:
        """Whether the lake or a password lies with AWS, or with what stands in for it."""
        return self.lake_root.startswith("s3://") or self.warehouse_password_secret is not None

    @property
    def fetched(self) -> Path:
        """Vendor files that the platform fetched itself: with the lake's raw layer, or at home when that is far."""
        return self.kept if _S3.fullmatch(self.lake_root) else self.kept / "raw"

    @property
    def kept(self) -> Path:
        """What the lake keeps on this machine: all of it, or what was fetched for one that is far."""
        return self.home / "raw" if _S3.fullmatch(self.lake_root) else Path(self.lake_root)

    @property
    def spark(self) -> dict[str, str]:
        """Spark's options as they were given; a master and options of their own count for more than the file."""
        given = options_in_file(self.spark_options_file) if self.spark_options_file else {}
        given |= options_in_text(self.spark_options.get_secret_value()) if self.spark_options else {}
        return given | ({"spark.master": self.spark_master} if self.spark_master else {})

    @property
    def warehouse_path(self) -> Path:
        """The file of a DuckDB warehouse."""
        default = self.home / "warehouse.duckdb"
        return Path(self.warehouse.removeprefix(_SCHEME)) if self.warehouse else default

    @property
    def warehouse_url(self) -> str:
        """Which warehouse, and where; never with a password."""
        return self.warehouse or f"{_SCHEME}{self.warehouse_path}"

    @property
    def scratch(self) -> Path:
        """Files that no one needs after a run."""
        return self.home / "scratch"

    @property
    def sample_folder(self) -> Path:
        """A sample's folder is named after what makes its bytes, so that another size or seed is another sample."""
        return self.home / "sample" / f"{self.sample_ratings}-ratings-seed-{self.sample_seed}"

    @property
    def own_folders(self) -> tuple[Path, ...]:
        """What the platform writes for itself, none of it a delivery of the user's."""
        return self.kept, self.home / "dagster", self.sample_folder.parent, self.scratch

    @cached_property
    def dagster_home(self) -> Path:
        given = os.environ.get("DAGSTER_HOME")
        if given and is_address(given):
            raise ValueError("give a folder on this machine")
        return absolute(given) if given else self.home / "dagster"

    def folders(self) -> Iterator[tuple[str, Path, Use]]:
        """What the platform writes into, and the source: each with the setting that says where it is, and its use."""
        home, on_s3 = f"{PREFIX}HOME", self.lake_root.startswith("s3://")
        yield home, self.home, COPIES if on_s3 else ANY
        if self.source not in ("sample", "kaggle"):
            yield f"{PREFIX}SOURCE", Path(self.source), ANY
        if not on_s3:
            yield f"{PREFIX}LAKE" if self.lake else home, Path(self.lake_root), LAKE
        if self.warehouse_url.startswith(_SCHEME):
            yield f"{PREFIX}WAREHOUSE" if self.warehouse else home, self.warehouse_path, WAREHOUSE
        yield home if self.dagster_home == self.home / "dagster" else "DAGSTER_HOME", self.dagster_home, DAGSTER
        if self.engine == "spark":
            yield home, self.scratch, SPARK
