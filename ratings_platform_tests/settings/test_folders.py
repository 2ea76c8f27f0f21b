"""Folders whose paths libraries would take for something else: they are refused, each by the setting that named it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ratings_platform.settings import load_settings
from ratings_platform_tests.settings.test_settings import complaint

pytestmark = pytest.mark.unit

PLACES = {
    "RATINGS_HOME": "{}",
    "RATINGS_LAKE": "{}",
    "RATINGS_WAREHOUSE": "duckdb:///{}/w.duckdb",
    "RATINGS_SOURCE": "{}",
    "DAGSTER_HOME": "{}",
}
LAKE, WAREHOUSE, DAGSTER = "a lake", "a DuckDB warehouse", "Dagster"
# By a sign in the name of a folder: what cannot lie there.
SIGNS = {
    "[2024]": (DAGSTER,),
    "a*b": (DAGSTER,),
    "a?b": (LAKE, WAREHOUSE, DAGSTER),
    "a#b": (LAKE,),
    "100% a": (),
    "a%20b": (LAKE, DAGSTER),
    "year=1999": (LAKE,),
    "a\\b": (LAKE, WAREHOUSE),
    "{a,b}": (),
    'it\'s "a"': (),
    "données": (),
}
UNSHOWN = ["a\nb", "a\x1bb", "a\x7fb", "a\udcffb"]


def name(place: str, folder: Path) -> None:
    """Have a setting name a folder that is there."""
    folder.mkdir(exist_ok=True)
    os.environ[place] = PLACES[place].format(folder)


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("place", PLACES)
def test_what_a_library_would_misread_is_refused_by_its_setting(tmp_path: Path, place: str, sign: str) -> None:
    name(place, tmp_path / sign)
    uses = {"RATINGS_LAKE": {LAKE}, "RATINGS_WAREHOUSE": {WAREHOUSE}, "DAGSTER_HOME": {DAGSTER}}
    everything = {LAKE, WAREHOUSE, DAGSTER} if place == "RATINGS_HOME" else set()
    wrong = [use for use in SIGNS[sign] if use in uses.get(place, everything)]
    if not wrong:
        load_settings()
        return
    shown = next(found for found in ("?", "#", "%20", "=", "\\", "[", "*") if found in sign)
    assert complaint() == (
        f"{place}: the path holds '{shown}' in {tmp_path / sign}, which does not go with {wrong[0]}. "
        "Choose another folder."
    )


def test_the_folder_that_one_stands_in_is_shown(tmp_path: Path) -> None:
    (tmp_path / "project #1").mkdir()
    os.chdir(tmp_path / "project #1")
    assert complaint() == (
        f"RATINGS_HOME: the path holds '#' in {tmp_path}/project #1, which does not go with a lake. "
        "Choose another folder."
    )
    os.environ["RATINGS_LAKE"] = str(tmp_path / "no=path" / "s3cret")
    assert complaint() == "RATINGS_LAKE: the path holds '=', which does not go with a lake. Choose another folder."
    os.environ["RATINGS_LAKE"] = str(tmp_path / f"={'s3cret' * 1000}")
    assert complaint() == "RATINGS_LAKE: the path holds '=', which does not go with a lake. Choose another folder."


@pytest.mark.parametrize("sign", UNSHOWN, ids=["line break", "escape", "delete", "no UTF-8"])
@pytest.mark.parametrize("place", PLACES)
def test_what_no_line_can_show_is_refused_everywhere(tmp_path: Path, place: str, sign: str) -> None:
    name(place, tmp_path / sign)
    told = complaint()
    assert told.startswith(place)
    assert told.isprintable()
    assert told.endswith("the path holds a line break or another sign that cannot be shown. Choose another folder.")


def test_what_lies_elsewhere_is_not_refused(tmp_path: Path) -> None:
    name("RATINGS_HOME", tmp_path / "a?b")
    os.environ |= {
        "RATINGS_LAKE": str(tmp_path / "lake"),
        "RATINGS_WAREHOUSE": "mysql://me@host/db",
        "DAGSTER_HOME": str(tmp_path / "dagster"),
    }
    load_settings()


def test_copies_of_a_far_lake_lie_at_home(tmp_path: Path) -> None:
    os.environ["RATINGS_LAKE"] = "s3://bucket/lake"
    name("RATINGS_HOME", tmp_path / "a#b")
    load_settings()
    name("RATINGS_HOME", tmp_path / "year=1999")
    assert complaint() == (
        f"RATINGS_HOME: the path holds '=' in {tmp_path}/year=1999, which does not go with copies of a lake's files. "
        "Choose another folder."
    )


def test_spark_keeps_files_at_home_in_a_list_of_folders(tmp_path: Path) -> None:
    name("RATINGS_HOME", tmp_path / "a,b")
    load_settings()
    os.environ["RATINGS_ENGINE"] = "spark"
    assert f"the path holds ',' in {tmp_path}/a,b, which does not go with Spark" in complaint()


@pytest.mark.parametrize("place", PLACES)
def test_a_home_that_nobody_has_is_told(place: str) -> None:
    os.environ[place] = PLACES[place].format("~nobody-of-this-name/x")
    assert "~ stands for no home here; write the path out" in complaint()


@pytest.mark.parametrize("address", ["s3://bucket/x", "postgres://me:s3cret@host/db"])
def test_dagsters_home_is_a_folder(address: str) -> None:
    os.environ["DAGSTER_HOME"] = address
    assert complaint().startswith("DAGSTER_HOME: give a folder on this machine")
    assert "s3cret" not in complaint()
