"""What is said of a refused value: enough to find it, nothing that may be secret."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest

from ratings_platform.schema.errors import SettingsError
from ratings_platform.settings import PREFIX, Settings, load_settings
from ratings_platform.studies.market_study.settings import MarketStudySettings
from ratings_platform_tests.settings.test_settings import complaint

pytestmark = pytest.mark.unit

PASSWORD = "Tr0ub/4dor"  # noqa: S105
# Every piece of it that could be shown alone.
PIECES = ("Tr0ub", "4dor", "s3same")
MISPLACED = {
    "slash": f"mysql+pymysql://ratings:{PASSWORD}@localhost:3306/ratings",
    "at sign": "mysql://ratings:s3same@4dor@localhost:3306/ratings",
    "hash": "mysql://ratings:Tr0ub#4dor@localhost:3306/ratings",
    "question mark": "mysql://ratings:Tr0ub?4dor@localhost:3306/ratings",
    "bracket": "mysql://ratings:Tr0ub[4dor@localhost:3306/ratings",
    "no such letter": "mysql://ratings:Tr0ub℀4dor@localhost/ratings",
    "no user": f"mysql://:{PASSWORD}@localhost/ratings",
    "keys": f"s3://KEY:{PASSWORD}@bucket/x",
    "page": f"https://user:{PASSWORD}@host",
    "token in a path": "https://hooks.example/services/Tr0ub/4dor",
    "parameter": "jdbc:mysql://host/db?user=ratings&password=s3same",
    "connection string": "Server=host;Uid=ratings;Pwd=s3same;",
    "libpq": "host=db user=ratings password=s3same",
    "json": '{"password": "s3same"}',
    "pair": "ratings:s3same",
    "pair and host": "ratings:s3same@host/x",
    "unknown scheme": "tr0ub4dor-s3same://x",
    "line break": f"x\nmysql://ratings:{PASSWORD}@host/db",
}
NAMES = sorted({*Settings.model_fields, *MarketStudySettings.model_fields})


@pytest.mark.parametrize("value", MISPLACED.values(), ids=MISPLACED)
def test_no_setting_shows_what_may_be_secret(value: str) -> None:
    for name in (PREFIX + name.upper() for name in NAMES):
        os.environ[name] = value
        told = _told()
        assert not [piece for piece in PIECES if piece in told], told
        assert told.startswith(name) or not told
        del os.environ[name]


def _told() -> str:
    """What is said of the settings; nothing where they will do."""
    with suppress(SettingsError):
        load_settings()
        return ""
    return complaint()


@pytest.mark.parametrize("name", ["HOME", "LAKE", "SOURCE", "WAREHOUSE", "SPARK_MASTER", "ENGINE", "MEMORY_LIMIT"])
@pytest.mark.parametrize("value", ["slash", "keys", "page", "pair and host"])
def test_an_address_with_a_password_is_refused(name: str, value: str) -> None:
    os.environ[PREFIX + name] = MISPLACED[value]
    assert _told() != ""


@pytest.mark.parametrize("value", ["slash", "at sign", "hash", "question mark", "bracket", "no such letter"])
def test_a_password_in_the_address_of_the_warehouse_is_told_its_place(value: str) -> None:
    os.environ["RATINGS_WAREHOUSE"] = MISPLACED[value]
    scheme = MISPLACED[value].partition("://")[0]
    assert complaint() == (
        f"RATINGS_WAREHOUSE is '{scheme}://…': the address holds a password: set RATINGS_WAREHOUSE_PASSWORD instead, "
        "where / @ : # ? stand as they are, and give duckdb:///PATH or mysql://USER@HOST:3306/DATABASE. "
        "See .env.example for all settings."
    )


def test_keys_in_the_address_of_the_lake_are_told_their_place() -> None:
    os.environ["RATINGS_LAKE"] = MISPLACED["keys"]
    assert complaint().startswith(
        "RATINGS_LAKE is 's3://…': the address holds a key: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead, "
        "and give a folder, or s3://BUCKET/PREFIX"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("no/such/folder", " is 'no/such/folder'"),
        ("~/vendor files [2024]", " is '~/vendor files [2024]'"),
        ("données", " is 'données'"),
        ("two\nlines", r" is 'two\nlines'"),
        ("ftp://host/files", " is 'ftp://…'"),
        ("FTP://host/files", ""),
        ("what://host/files", ""),
    ],
)
def test_paths_and_schemes_are_shown(value: str, shown: str) -> None:
    os.environ["RATINGS_SOURCE"] = value
    assert complaint().startswith(f"RATINGS_SOURCE{shown}: give sample, kaggle, or a directory")


def test_a_path_is_known_by_its_folder(tmp_path: object) -> None:
    os.environ["RATINGS_SOURCE"] = f"{tmp_path}/a=b;c"
    assert complaint().startswith(f"RATINGS_SOURCE is '{tmp_path}/a=b;c': give sample")
