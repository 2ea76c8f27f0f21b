"""The file `.env`: how it may be saved, and that no line of it is passed over."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ratings_platform.settings import dotenv_above, load_settings
from ratings_platform_tests.settings.test_settings import complaint

pytestmark = pytest.mark.unit

WRITE = "Write NAME=VALUE, and close quotation marks."


def write(content: str, encoding: str = "utf-8") -> None:
    Path(".env").write_bytes(content.encode(encoding))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_it_may_be_saved_in_any_editor(encoding: str, end: str, tmp_path: Path) -> None:
    write(f"RATINGS_HOME=données{end}# why{end}{end}export RATINGS_WAREHOUSE_PASSWORD='p w'{end}", encoding)
    settings = load_settings()
    assert settings.home == tmp_path / "données"
    assert settings.warehouse_password is not None
    assert settings.warehouse_password.get_secret_value() == "p w"


@pytest.mark.parametrize(
    "line",
    [
        "RATINGS_WAREHOUSE_PASSWORD: s3cret",
        "RATINGS_WAREHOUSE_PASSWORD:s3cret",
        "set RATINGS_WAREHOUSE_PASSWORD=s3cret",
        "SET RATINGS_WAREHOUSE_PASSWORD=s3cret",
        '$env:RATINGS_WAREHOUSE_PASSWORD = "s3cret"',
        "setenv RATINGS_WAREHOUSE_PASSWORD s3cret",
        'RATINGS_WAREHOUSE_PASSWORD="s3cret',
        "RATINGS_WAREHOUSE_PASSWORD",
        "s3cret",
        '{"RATINGS_WAREHOUSE_PASSWORD": "s3cret"}',
    ],
)
def test_a_line_that_sets_nothing_is_refused_by_its_number(line: str) -> None:
    write(f"# why\n\nRATINGS_HOME=here\n\n{line}\n\nRATINGS_SAMPLE_SEED=3\n")
    assert complaint() == f".env, line 5: is not like NAME=VALUE. {WRITE}"


@pytest.mark.parametrize("value", ["a${b}c", "'a${b}c'", '"${b:-c}"', "${}"])
def test_a_value_that_would_be_changed_is_refused(value: str) -> None:
    write(f"RATINGS_HOME=here\nRATINGS_WAREHOUSE_PASSWORD={value}\n")
    assert complaint() == (
        ".env, line 2: RATINGS_WAREHOUSE_PASSWORD holds ${…}, which other readers of the file replace. Write it out; a "
        "password goes into the environment, or into a file named by RATINGS_WAREHOUSE_PASSWORD_FILE."
    )


def test_other_signs_in_a_password_stay() -> None:
    write("RATINGS_WAREHOUSE_PASSWORD='a$b$(c)`d`\\e{f}#g'\n")
    password = load_settings().warehouse_password
    assert password is not None
    assert password.get_secret_value() == "a$b$(c)`d`\\e{f}#g"


def test_names_of_others_are_taken_as_others_take_them() -> None:
    write("PLACE=here\nDAGSTER_HOME=${PLACE}/dagster\n")
    assert load_settings().dagster_home == Path("here/dagster").absolute()
    assert os.environ["DAGSTER_HOME"] == "here/dagster"


def test_a_file_that_cannot_be_meant_is_told() -> None:
    write("RATINGS_OWNER=team:x\n" * 70_000)
    assert complaint() == ".env: is larger than 1 MiB. Name the right file, or shorten it."


def test_a_file_further_up_is_told_and_not_read(tmp_path: Path) -> None:
    below = tmp_path / "below" / "further"
    below.mkdir(parents=True)
    assert dotenv_above() is None
    write("RATINGS_HOME=above\n")
    assert dotenv_above() is None
    os.chdir(below)
    assert dotenv_above() == tmp_path / ".env"
    assert load_settings().home == below / "data"
    (tmp_path / "below" / ".env").write_bytes(b"OTHERS=x\n")
    assert dotenv_above() == tmp_path / ".env", "a file without a setting of ours is another's"
    write("RATINGS_HOME=here\n")
    assert dotenv_above() is None
