"""Credentials: where they are found, and that no library gets to quote those that it could not use."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from ratings_platform.schema.errors import SettingsError
from ratings_platform.settings import kaggle_login, load_settings
from ratings_platform_tests.settings.test_settings import complaint

pytestmark = pytest.mark.unit

PAIR = {"username": "ann", "key": "s3cret"}
SETTLE = "Set it anew, on one line, without quotation marks."
SAVE = "Save it anew, alone, on one line, without quotation marks."


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Where Kaggle's client looks for files."""
    os.environ["HOME"] = str(tmp_path)
    os.environ.pop("XDG_CONFIG_HOME", None)
    folder = tmp_path / ".kaggle"
    folder.mkdir()
    return folder


def found() -> object:
    """The login that is found, in the clear."""
    login = kaggle_login()
    if isinstance(login, tuple):
        return login[0], login[1].get_secret_value()
    return login.get_secret_value() if isinstance(login, SecretStr) else login


def kaggle_complaint() -> str:
    with pytest.raises(SettingsError) as caught:
        kaggle_login()
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def test_kaggles_login_is_whole_or_none_and_hides_its_key(kept: Path) -> None:
    assert kaggle_login() is None
    os.environ["KAGGLE_USERNAME"] = "me"
    assert kaggle_login() is None
    Path(".env").write_text("KAGGLE_KEY=s3cret\n", encoding="utf-8")
    load_settings()
    assert found() == ("me", "s3cret")
    assert "s3cret" not in repr(kaggle_login())


def test_of_several_logins_the_one_counts_that_kaggles_client_takes(kept: Path) -> None:
    (kept / "kaggle.json").write_text(json.dumps(PAIR), encoding="utf-8")
    assert found() == ("ann", "s3cret")
    os.environ |= {"KAGGLE_USERNAME": "me", "KAGGLE_KEY": "mine"}
    assert found() == ("me", "mine")
    (kept / "access_token.txt").write_text("of Windows", encoding="utf-8")
    (kept / "access_token").write_text("KGAT_kept", encoding="utf-8")
    assert found() == "KGAT_kept"
    os.environ["KAGGLE_API_TOKEN"] = "KGAT_set"  # noqa: S105
    assert found() == "KGAT_set"
    (kept / "elsewhere").write_text("KGAT_elsewhere", encoding="utf-8")
    os.environ["KAGGLE_API_TOKEN"] = str(kept / "elsewhere")
    assert found() == "KGAT_elsewhere"


@pytest.mark.parametrize("around", [" {} ", "{}\r", "{}\r\n", "\ufeff{}\n"])
def test_what_comes_along_is_taken_away(kept: Path, around: str) -> None:
    (kept / "access_token").write_text(around.format("KGAT_x"), encoding="utf-8")
    assert found() == "KGAT_x"
    (kept / "access_token").unlink()
    (kept / "kaggle.json").write_text(around.format(json.dumps(PAIR)), encoding="utf-8")
    assert found() == ("ann", "s3cret")
    os.environ |= {"KAGGLE_USERNAME": around.format("me"), "KAGGLE_KEY": around.format("mine")}
    assert found() == ("me", "mine")
    os.environ["KAGGLE_API_TOKEN"] = around.format("KGAT_y")
    assert found() == "KGAT_y"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("KAGGLE_API_TOKEN", "s3cret\ns3cret", "it has more than one line"),
        ("KAGGLE_API_TOKEN", "“s3cret”", "it stands in quotation marks"),
        ("KAGGLE_API_TOKEN", "s3cret" * 100 + "\ts3cret", "it has a blank inside"),
        ("KAGGLE_KEY", "s3cret s3cret", "it has a blank inside"),
        ("KAGGLE_USERNAME", "s3crét", "its character 5 is none that a token has"),
    ],
)
def test_a_credential_of_kaggle_that_is_none_is_refused(kept: Path, name: str, value: str, told: str) -> None:
    os.environ |= {"KAGGLE_USERNAME": "me", "KAGGLE_KEY": "mine", name: value}
    assert kaggle_complaint() == f"{name}: {told}. {SETTLE}"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"s3cret\ns3cret\n", f"it has more than one line. {SAVE}"),
        ("“s3cret”".encode(), f"it stands in quotation marks. {SAVE}"),
        ("s3cret".encode("utf-16"), "is UTF-16, not UTF-8. Save it as UTF-8."),
    ],
    ids=["two lines", "typographic quotes", "utf-16"],
)
def test_a_token_file_that_holds_none_is_refused(kept: Path, content: bytes, told: str) -> None:
    (kept / "access_token").write_bytes(content)
    assert kaggle_complaint() == f"{kept / 'access_token'}: {told}"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('["ann", "s3cret"]', "is not a JSON object with a username and a key"),
        ('{"username": "ann"}', "is not a JSON object with a username and a key"),
        ('{"username": "ann", "key": 12345}', "is not a JSON object with a username and a key"),
        ('{"username": "ann", "key": "s3cret"', "is not a JSON object with a username and a key"),
        ('{"username": "ann", "key": "s3cret\\ns3cret"}', "the key cannot be used: it has more than one line"),
    ],
    ids=["list", "no key", "number", "broken", "two lines"],
)
def test_a_kaggle_json_that_holds_no_login_is_refused(kept: Path, content: str, told: str) -> None:
    (kept / "kaggle.json").write_text(content, encoding="utf-8")
    assert kaggle_complaint() == (
        f"{kept / 'kaggle.json'}: {told}. Download it anew from https://www.kaggle.com/settings/api."
    )


def test_kaggles_folder_may_be_elsewhere(kept: Path, tmp_path: Path) -> None:
    (kept / "access_token").write_text("KGAT_at_home", encoding="utf-8")
    other = tmp_path / "other"
    other.mkdir()
    os.environ["KAGGLE_CONFIG_DIR"] = str(other)
    assert kaggle_complaint() == (
        f"KAGGLE_CONFIG_DIR: '{other}' holds neither access_token nor kaggle.json. "
        "Name the folder that does, or unset it."
    )
    (other / "kaggle.json").write_text(json.dumps(PAIR), encoding="utf-8")
    assert found() == ("ann", "s3cret")
    del os.environ["KAGGLE_CONFIG_DIR"]
    (kept / "access_token").unlink()
    kept.rmdir()
    (tmp_path / ".config").mkdir()
    other.rename(tmp_path / ".config" / "kaggle")
    assert found() == ("ann", "s3cret"), "as Kaggle's client, by the rules of freedesktop.org"


AWS = {"AWS_ACCESS_KEY_ID": "AKIA1", "AWS_SECRET_ACCESS_KEY": "s3cret/+", "AWS_SESSION_TOKEN": "s3cret=="}
NEEDS_AWS = {"RATINGS_LAKE": "s3://bucket/lake", "RATINGS_WAREHOUSE_PASSWORD_SECRET": "name"}


@pytest.mark.parametrize("setting", NEEDS_AWS)
@pytest.mark.parametrize("name", AWS)
def test_keys_of_aws_are_trimmed_or_refused(setting: str, name: str) -> None:
    os.environ |= {**AWS, setting: NEEDS_AWS[setting], name: f"\ufeff {AWS[name]}\r\n", "AWS_REGION": "eu-central-1\r"}
    load_settings()
    assert {key: os.environ[key] for key in AWS} == AWS
    assert os.environ["AWS_REGION"] == "eu-central-1"
    os.environ[name] = "s3cret\ns3cret"
    assert complaint() == f"{name}: it has more than one line. {SETTLE}"


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_an_endpoint_holds_no_password(name: str) -> None:
    os.environ |= {"RATINGS_LAKE": "s3://bucket/lake", name: "http://host:9000\r"}
    load_settings()
    assert os.environ[name] == "http://host:9000"
    os.environ[name] = "http://me:s3cr/et@host:9000"
    assert (
        complaint() == f"{name}: it holds a user or a password. Give http://HOST:PORT; keys have settings of their own."
    )


def test_what_is_not_used_is_left_alone() -> None:
    os.environ["AWS_ACCESS_KEY_ID"] = "AKIA\r\n1"
    load_settings()
    assert os.environ["AWS_ACCESS_KEY_ID"] == "AKIA\r\n1"


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("https://hooks.example/s3cret\nhttps://hooks.example/s3cret", "it has more than one line"),
        ("“https://hooks.example/s3cret”", "it stands in quotation marks"),
        ("https://hooks.example/s3crèt", "its character 27 is none that a token has"),
        ("hooks.example/s3cret", "give http://HOST/… or https://HOST/…"),
        ("ftp:///s3cret", "give http://HOST/… or https://HOST/…"),
        ("http://[/s3cret", "give http://HOST/… or https://HOST/…"),
        ("file:///s3cret", "give http://HOST/… or https://HOST/…"),
        ("https:///s3cret", "give http://HOST/… or https://HOST/…"),
        ("https://[s3cret/x", "give http://HOST/… or https://HOST/…"),
        ("https://host:s3cret/x", "give http://HOST/… or https://HOST/…"),
    ],
)
def test_a_webhook_is_an_address(value: str, told: str) -> None:
    os.environ["RATINGS_WEBHOOK"] = " https://hooks.example:8443/s3cret?a=b\r\n"
    webhook = load_settings().webhook
    assert webhook is not None
    assert webhook.get_secret_value() == "https://hooks.example:8443/s3cret?a=b"
    os.environ["RATINGS_WEBHOOK"] = value
    assert complaint() == f"RATINGS_WEBHOOK: {told}. See .env.example for all settings."


def test_a_password_is_one_line() -> None:
    os.environ["RATINGS_WAREHOUSE_PASSWORD"] = " s3cret \r\n"  # noqa: S105
    password = load_settings().warehouse_password
    assert password is not None
    assert password.get_secret_value() == " s3cret "
    os.environ["RATINGS_WAREHOUSE_PASSWORD"] = "s3cret\ns3cret"  # noqa: S105
    assert complaint() == "RATINGS_WAREHOUSE_PASSWORD: it has more than one line. See .env.example for all settings."
