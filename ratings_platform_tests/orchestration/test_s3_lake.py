"""The whole study with its lake on S3: the same answers, nothing on this machine that is needed later."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ratings_platform import answering
from ratings_platform.lake.raw import RawStore
from ratings_platform.orchestration.failures import reason
from ratings_platform.settings import load_settings
from ratings_platform.studies.market_study.assets import definitions
from ratings_platform_tests.aws_server import AWSServer
from ratings_platform_tests.conftest import Built, environment
from ratings_platform_tests.made_up.studies.weather import assets as weather
from ratings_platform_tests.made_up.weather import STUDY as WEATHER
from ratings_platform_tests.orchestration.stand import Stand, failed, shown

pytestmark = pytest.mark.integration

FAULTY_READINGS = ("1;2001-02-29;1.0;", "one;2001-02-28;1.0;", "1;2001-02-28;warm;")
FAULTY_LINES = {"combined_data_1.txt": "17,9,2003-01-01\n17,,2003-01-01\n", "combined_data_2.txt": "nonsense\n"}


@pytest.fixture
def source(built: Built, tmp_path: Path) -> Path:
    """The vendor files of the study on disk, and some lines that make no sense."""
    source = Path(shutil.copytree(built.source, tmp_path / "vendor"))
    for name, lines in FAULTY_LINES.items():
        with (source / name).open("a") as file:
            file.write(lines)
    return source


@pytest.fixture
def machine(bucket: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Stand]:
    """Makes stands of one lake, each with a home of its own."""
    monkeypatch.setenv("RATINGS_LAKE", f"s3://{bucket}/lake")
    monkeypatch.setenv("RATINGS_SOURCE", str(source))

    def make(name: str) -> Stand:
        monkeypatch.setenv("RATINGS_HOME", str(tmp_path / name))
        settings = load_settings()
        return Stand(settings, definitions(settings))

    return make


def test_the_study_on_s3(
    new_weather_stand: Callable[..., Stand],
    weather_built: Built,
    bucket: str,
    s3_client: Any,
    aws: AWSServer,
    tmp_path: Path,
) -> None:
    """The made-up one: that all studies have there what they have elsewhere is seen in `parity/test_everywhere.py`."""
    source = Path(shutil.copytree(weather_built.source, tmp_path / "delivery"))
    with (source / "readings_1.txt").open("a") as readings:
        readings.write("".join(f"{line}\n" for line in FAULTY_READINGS))
    places = {"lake": f"s3://{bucket}/lake", "source": source}

    def machine(name: str) -> Stand:
        with environment(tmp_path, home=tmp_path / name, **places):
            settings = load_settings()
            return Stand(settings, weather.definitions(settings), WEATHER)

    first = machine("first")
    result = first.run()
    assert (result.success, failed(result)) == (True, {})
    uris = [metadata["dagster/uri"].value for key, metadata in shown(result).items() if key.path[0] != "warehouse"]
    assert all(str(uri).startswith(f"s3://{bucket}/lake/") for uri in uris)
    assert not (first.settings.home / "lake").exists()

    # Another machine, that has neither the vendor's files nor any of the lake's.
    shutil.rmtree(source)
    source.mkdir()
    second = machine("second")
    on_disk = answering.answers(WEATHER, new_weather_stand().settings)
    assert answering.answers(WEATHER, second.settings) == on_disk
    counts, listed = answering.rejects(WEATHER, second.settings)
    assert (sum(counts["rows"].to_pylist()), listed.num_rows) == (3, 3)
    assert set(listed["raw"].to_pylist()) == set(FAULTY_READINGS)
    assert not [name for name in second.failed_checks() if not name.startswith("warehouse/")]

    before = second.table("bronze/stations_listed").scan().rows
    _remove(s3_client, bucket, "lake/bronze/stations_listed/")
    assert second.run("bronze/stations_listed").success
    assert second.table("bronze/stations_listed").scan().rows == before

    for home in (first.settings.home, second.settings.home):
        held = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
        assert held
        assert not [content for content in held if aws.secret.encode() in content]


def test_a_bucket_that_is_not_there_ends_the_step_at_once(
    machine: Callable[[str], Stand], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATINGS_LAKE", "s3://there-is-no-such-bucket/lake")
    result = machine("home").run("raw/netflix_prize")
    [event] = [event for event in result.all_events if event.is_step_failure]
    assert reason(event).startswith(
        "s3://there-is-no-such-bucket/lake: there is no such bucket (NoSuchBucket). Create it"
    )
    assert not [event for event in result.all_events if event.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY]


def test_a_file_that_is_gone_and_its_copy_too_is_told_with_the_remedy(
    machine: Callable[[str], Stand], source: Path, bucket: str, s3_client: Any
) -> None:
    stand = machine("home")
    assert stand.run("raw/netflix_prize").success
    [titles] = [
        file
        for file in RawStore(answering.lake(stand.settings), stand.settings.home).load("netflix_prize")
        if file["name"] == "movie_titles.csv"
    ]
    (source / "movie_titles.csv").unlink()
    _remove(s3_client, bucket, f"lake/raw/netflix_prize/{titles['sha256'][:16]}")
    result = stand.run("bronze/movies_netflix")
    [event] = [event for event in result.all_events if event.is_step_failure]
    assert "movie_titles.csv: is gone since it was registered. Materialise the raw asset again." in reason(event)


def _remove(client: Any, bucket: str, prefix: str) -> None:
    found = client.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]
    client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": one["Key"]} for one in found]})
