"""Settings: where they come from, and what people read when one is wrong."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from ratings_platform import studies
from ratings_platform.schema.errors import SettingsError
from ratings_platform.settings import (
    PREFIX,
    Settings,
    StudySettings,
    load_settings,
    load_study_settings,
    override,
    prepare_for_spark,
    refuse_unknown_names,
)

pytestmark = pytest.mark.unit

EXAMPLE = Path(__file__).parents[2] / ".env.example"
STUDY_SETTINGS: list[type[StudySettings]] = [studies.load(name).settings for name in studies.names()]


def dotenv(text: str) -> None:
    Path(".env").write_text(text, encoding="utf-8")


def complaint() -> str:
    """The one line that the settings as they are end in."""
    with pytest.raises(SettingsError) as caught:
        _load_all()
    assert "\n" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def _load_all() -> None:
    load_settings()
    for group in STUDY_SETTINGS:
        load_study_settings(group)
    refuse_unknown_names(*STUDY_SETTINGS)


def test_defaults_lie_below_the_working_directory(tmp_path: Path) -> None:
    settings = load_settings()
    assert (settings.source, settings.engine, settings.webhook) == ("sample", "duckdb", None)
    assert settings.lake_root == str(tmp_path / "data" / "lake")
    assert settings.warehouse_path == tmp_path / "data" / "warehouse.duckdb"
    assert settings.dagster_home == tmp_path / "data" / "dagster"
    assert list(tmp_path.iterdir()) == [], "reading settings makes nothing"


def test_other_folders_follow_the_home_unless_they_are_set(tmp_path: Path) -> None:
    os.environ["RATINGS_HOME"] = "here"
    os.environ["RATINGS_WAREHOUSE"] = "duckdb:///elsewhere/w.duckdb"
    settings = load_settings()
    assert settings.lake_root == str(tmp_path / "here" / "lake")
    assert settings.warehouse_path == tmp_path / "elsewhere" / "w.duckdb"
    assert settings.scratch.is_relative_to(tmp_path / "here")


def test_a_lake_may_lie_in_a_bucket(tmp_path: Path) -> None:
    assert load_settings().fetched == tmp_path / "data" / "lake" / "raw"
    os.environ["RATINGS_LAKE"] = "s3://my.bucket-1/some/pre_fix-1.2/"
    settings = load_settings()
    assert settings.lake_root == "s3://my.bucket-1/some/pre_fix-1.2"
    # What is fetched stays here until it is sent, and after.
    assert settings.fetched == tmp_path / "data" / "raw"
    os.environ["RATINGS_LAKE"] = "~/lake"
    assert load_settings().lake_root == str(Path.home() / "lake")


def test_the_environment_comes_before_the_file_and_both_before_defaults() -> None:
    dotenv("RATINGS_SAMPLE_SEED=7\nRATINGS_SAMPLE_RATINGS=500\nOTHERS=x\n")
    os.environ["RATINGS_SAMPLE_SEED"] = "8"
    settings = load_settings()
    assert (settings.sample_seed, settings.sample_ratings, settings.engine) == (8, 500, "duckdb")
    assert load_settings(sample_seed=9, sample_ratings=None).sample_seed == 9


def test_an_empty_value_is_no_value() -> None:
    dotenv("RATINGS_WEBHOOK=\nRATINGS_HOME=\n")
    os.environ["RATINGS_LAKE"] = ""
    assert load_settings() == Settings()
    assert load_settings().webhook is None


def test_overrides_reach_processes_that_are_started() -> None:
    override(sample_seed=5, source=None)
    assert (os.environ["RATINGS_SAMPLE_SEED"], "RATINGS_SOURCE" in os.environ) == ("5", False)
    assert load_settings().sample_seed == 5


def test_another_sample_has_another_folder() -> None:
    folders = {load_settings(sample_seed=n, sample_ratings=m).sample_folder for n in (1, 2) for m in (100, 200)}
    assert len(folders) == 4


def test_names_of_others_in_the_file_reach_those_who_read_the_environment(tmp_path: Path) -> None:
    dotenv("DAGSTER_HOME=dagster-here\nKAGGLE_USERNAME=me\nKAGGLE_KEY=from-the-file\nKAGGLE_API_TOKEN=\n")
    os.environ["KAGGLE_KEY"] = "from-the-environment"
    assert load_settings().dagster_home == tmp_path / "dagster-here"
    assert (os.environ["KAGGLE_USERNAME"], os.environ["KAGGLE_KEY"]) == ("me", "from-the-environment")
    assert "KAGGLE_API_TOKEN" not in os.environ


@pytest.mark.parametrize(
    ("name", "value", "teaches"),
    [
        ("HOME", "s3://bucket/x", "give a folder on this machine"),
        ("LAKE", "s3://bucket", "give a folder, or s3://BUCKET/PREFIX"),
        ("LAKE", "s3://Bucket/lake", "give a folder, or s3://BUCKET/PREFIX"),
        ("LAKE", "s3://bucket/a lake", "letters, digits and - _ . /"),
        ("LAKE", "s3://bucket/year=1999", "letters, digits and - _ . /"),
        ("LAKE", "s3://bucket/a/../b", "letters, digits and - _ . /"),
        ("LAKE", "s3a://bucket/lake", "give a folder, or s3://BUCKET/PREFIX"),
        ("LAKE", "https://s3.test/bucket/lake", "give a folder, or s3://BUCKET/PREFIX"),
        ("SOURCE", "no/such/folder", "give sample, kaggle, or a directory that exists"),
        ("WAREHOUSE", "postgres://host/db", "give duckdb:///PATH"),
        ("WAREHOUSE", "duckdb:///", "give duckdb:///PATH"),
        ("ENGINE", "spork", "'duckdb' or 'spark'"),
        ("SPARK_MASTER", "mesos://host", "give local[*], local[N], spark://HOST:PORT, yarn or k8s://ADDRESS"),
        ("SPARK_MASTER", "local[0]", "give local[*]"),
        ("OWNER", "foo bar", "give team:NAME or an e-mail address"),
        ("SPARK_OPTIONS_FILE", "no/such/file", "the file cannot be read (No such file or directory)"),
        ("SAMPLE_RATINGS", "99", "greater than or equal to 100"),
        ("SAMPLE_RATINGS", "many\nlines", "valid integer"),
        ("SAMPLE_SEED", "-1", "greater than or equal to 0"),
        ("REJECT_THRESHOLD", "1.5", "less than or equal to 1"),
        ("REJECT_THRESHOLD", "5 %", "valid number"),
        ("MEMORY_LIMIT", "lots", "pattern"),
        ("NETFLIX_FILES", "../x.txt", "give file names separated by commas"),
        ("NETFLIX_FILES", " , ", "give file names separated by commas"),
        ("NETFLIX_FILES", "combined_data_1.txt,Probe.txt", "probe.txt holds no ratings"),
        ("AMAZON_FILES", "Video_*", "give file names separated by commas"),
        ("BAYESIAN_WEIGHT", "-1", "greater than or equal to 0"),
    ],
)
@pytest.mark.parametrize("where", ["environment", "file"])
def test_a_wrong_value_is_one_line_that_names_it_and_teaches(name: str, value: str, teaches: str, where: str) -> None:
    if where == "environment":
        os.environ[PREFIX + name] = value
    else:
        dotenv(f'{PREFIX}{name}="{value}"\n')
    told = complaint()
    scheme, is_address, _ = value.partition("://")
    shown = f"'{scheme}://…'" if is_address else repr(value)
    assert told.startswith(f"{PREFIX}{name} is {shown}: ")
    assert teaches in told
    assert told.endswith("See .env.example for all settings.")


@pytest.mark.parametrize("value", ["secret", ""])
@pytest.mark.parametrize("where", ["environment", "file"])
def test_an_unknown_name_is_refused_with_the_nearest_known(where: str, value: str) -> None:
    if where == "environment":
        os.environ["RATINGS_WAREHUOSE"] = value
    else:
        dotenv(f"ratings_warehuose={value}\n")
    assert complaint() == "RATINGS_WAREHUOSE is not a setting. Did you mean RATINGS_WAREHOUSE?"


def test_an_unknown_name_like_none_is_refused_too() -> None:
    os.environ["RATINGS_XQZJVVVVV"] = "1"
    assert complaint() == "RATINGS_XQZJVVVVV is not a setting. See .env.example."


def test_known_names_of_every_study_are_accepted() -> None:
    for group in (Settings, *STUDY_SETTINGS):
        os.environ |= {f"{PREFIX}{name.upper()}": "" for name in group.model_fields}
    refuse_unknown_names(*STUDY_SETTINGS)
    with pytest.raises(SettingsError):
        refuse_unknown_names()


def test_secrets_are_never_shown() -> None:
    os.environ["RATINGS_WEBHOOK"] = "https://hooks.example/s3cret"
    settings = load_settings()
    assert settings.webhook is not None
    assert settings.webhook.get_secret_value() == "https://hooks.example/s3cret"
    assert "s3cret" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    with pytest.raises(SettingsError) as caught:
        load_settings(webhook={"s3cret": "s3cret"})
    assert str(caught.value).startswith("RATINGS_WEBHOOK: ")
    assert "s3cret" not in str(caught.value)


def test_a_file_that_is_no_text_is_one_line() -> None:
    Path(".env").write_bytes(b"RATINGS_OWNER=team:caf\xe9\n")
    assert complaint() == ".env: is not UTF-8. Save it as UTF-8."


def _examples() -> dict[str, str]:
    found = re.findall(r"^#?([A-Z][A-Z_]+)=(.*)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(dict(found)) == len(found), "a name stands there twice"
    return dict(found)


def test_the_example_lists_every_setting_and_no_other() -> None:
    ours = {name for name in _examples() if name.startswith(PREFIX)}
    assert ours == {PREFIX + name.upper() for group in (Settings, *STUDY_SETTINGS) for name in group.model_fields}


def test_the_example_shows_the_defaults() -> None:
    def everything() -> list[object]:
        shared = load_settings()
        derived = {"lake": shared.lake_root, "warehouse": shared.warehouse_path}
        return [shared.model_dump() | derived, *(load_study_settings(g).model_dump() for g in STUDY_SETTINGS)]

    defaults = everything()
    dotenv("".join(f"{name}={value}\n" for name, value in _examples().items()))
    assert everything() == defaults


def test_every_setting_says_what_it_is_for() -> None:
    for group in (Settings, *STUDY_SETTINGS):
        assert [name for name, field in group.model_fields.items() if not field.description] == []


PASSWORDS = {"": "hunter2", "_FILE": "somewhere", "_SECRET": "name"}


@pytest.mark.parametrize("ways", [["", "_FILE"], ["", "_SECRET"], ["_FILE", "_SECRET"], ["", "_FILE", "_SECRET"]])
def test_the_warehouse_password_comes_one_way_only(ways: list[str]) -> None:
    os.environ |= {f"RATINGS_WAREHOUSE_PASSWORD{way}": PASSWORDS[way] for way in ways[:1]}
    load_settings()
    dotenv("".join(f"RATINGS_WAREHOUSE_PASSWORD{way}={PASSWORDS[way]}\n" for way in ways[1:]))
    told = complaint()
    assert "is set too: set only one of them" in told
    assert all(f"RATINGS_WAREHOUSE_PASSWORD{way}" in told for way in ways[:2])
    assert "hunter2" not in told


def test_the_name_of_a_secret_is_well_formed_and_not_repeated() -> None:
    for name in ("a/b_+=.@-1", "rds!db-1234", "arn:aws:secretsmanager:eu-central-1:123456789012:secret:x-AbCdEf"):
        for key in ("", "#key", "#a key"):
            dotenv(f"RATINGS_WAREHOUSE_PASSWORD_SECRET={name}{key}\n")
            assert load_settings().warehouse_password_secret == f"{name}{key}"
    for wrong in ("hunter 2", "hunter2#", "#hunter2", "hünter2"):
        os.environ["RATINGS_WAREHOUSE_PASSWORD_SECRET"] = wrong
        assert complaint().startswith("RATINGS_WAREHOUSE_PASSWORD_SECRET: give the name or ARN of a secret")
        assert wrong not in complaint()


@pytest.mark.parametrize(
    "text",
    [
        "spark.a=1 spark.b.c='x y' spark.d=k=v,w",
        '  spark.a=1\n\tspark.b.c="x y"\nspark.d=k=v,w\n',
        '{"spark.a": 1, "spark.b.c": "x y", "spark.d": "k=v,w"}',
    ],
)
def test_options_for_spark_are_pairs_or_json(text: str) -> None:
    os.environ["RATINGS_SPARK_OPTIONS"] = text
    assert load_settings().spark == {"spark.a": "1", "spark.b.c": "x y", "spark.d": "k=v,w"}


def test_a_file_of_options_is_read_as_spark_reads_its_own(tmp_path: Path) -> None:
    file = tmp_path / "spark-defaults.conf"
    file.write_text("# comment\n\nspark.a   1 2\nspark.b=x\n  spark.c:  y=z  \nspark.master\tyarn\n", encoding="utf-8")
    os.environ["RATINGS_SPARK_OPTIONS_FILE"] = str(file)
    assert load_settings().spark == {"spark.a": "1 2", "spark.b": "x", "spark.c": "y=z", "spark.master": "yarn"}


def test_the_later_of_file_options_and_master_counts(tmp_path: Path) -> None:
    file = tmp_path / "conf"
    file.write_text("spark.a 1\nspark.b 1\nspark.master yarn\n", encoding="utf-8")
    os.environ |= {"RATINGS_SPARK_OPTIONS_FILE": str(file), "RATINGS_SPARK_OPTIONS": "spark.b=2"}
    assert load_settings().spark == {"spark.a": "1", "spark.b": "2", "spark.master": "yarn"}
    os.environ["RATINGS_SPARK_MASTER"] = "spark://host:7077"
    assert load_settings().spark["spark.master"] == "spark://host:7077"


def test_spark_is_told_nothing_that_was_not_given() -> None:
    assert load_settings().spark == {}


@pytest.mark.parametrize(
    ("text", "teaches"),
    [
        ("spark.a=1 s3cret", "option 2 is not like spark.NAME=VALUE"),
        ("s3cret=1", "option 1 is not like spark.NAME=VALUE"),
        ("spark.a=s3cret,spark.b=1", "option 1 holds another: options are parted by blanks"),
        ("spark.a='s3cret", "a quotation mark is left open"),
        ('{"spark.a": "s3cret"', "the JSON is broken at character"),
        ('{"a": "s3cret"}', "option 1 is not like spark.NAME=VALUE"),
    ],
)
def test_a_wrong_option_for_spark_is_told_without_showing_any(text: str, teaches: str) -> None:
    os.environ["RATINGS_SPARK_OPTIONS"] = text
    told = complaint()
    assert told.startswith(f"RATINGS_SPARK_OPTIONS: {teaches}")
    assert "s3cret" not in told


def test_a_wrong_line_in_a_file_of_options_is_told_by_its_number(tmp_path: Path) -> None:
    file = tmp_path / "conf"
    file.write_text("spark.a 1\n\nspark.b\n", encoding="utf-8")
    os.environ["RATINGS_SPARK_OPTIONS_FILE"] = str(file)
    assert "line 3 is not like spark.NAME VALUE" in complaint()


def test_options_for_spark_are_shown_nowhere() -> None:
    os.environ["RATINGS_SPARK_OPTIONS"] = "spark.hadoop.fs.s3a.secret.key=s3cret"
    assert "s3cret" not in repr(load_settings())


def test_spark_runs_this_python_unless_told_otherwise(tmp_path: Path) -> None:
    os.environ.pop("JAVA_HOME", None)
    os.environ.pop("PYSPARK_PYTHON", None)
    assert prepare_for_spark() == "java"
    assert os.environ["PYSPARK_PYTHON"] == sys.executable
    os.environ |= {"PYSPARK_PYTHON": "/opt/python", "JAVA_HOME": str(tmp_path)}
    assert prepare_for_spark() == f"{tmp_path}/bin/java"
    assert os.environ["PYSPARK_PYTHON"] == "/opt/python"


def test_what_spark_submit_has_chosen_is_left_alone() -> None:
    os.environ.pop("PYSPARK_PYTHON", None)
    os.environ["PYSPARK_GATEWAY_PORT"] = "4711"
    assert prepare_for_spark() is None
    assert "PYSPARK_PYTHON" not in os.environ
