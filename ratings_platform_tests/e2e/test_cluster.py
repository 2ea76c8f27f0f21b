"""The study on a Spark cluster of several processes, and with executors killed in mid-job; and on Spark alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable

from ratings_platform_tests.e2e.conftest import LARGE, SEED
from ratings_platform_tests.e2e.spark_cluster import Cluster, running
from ratings_platform_tests.e2e.support import PATIENCE_SECONDS, Weather
from ratings_platform_tests.made_up.weather import STUDY

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("cluster")) as started:
        yield started


def live_files(table: Path) -> set[str]:
    return set(DeltaTable(str(table)).file_uris())


def test_without_java_one_line_says_what_to_do(weather_home: Weather, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    told = weather_home.fail("run", "--only", "silver/station_readings", engine="spark")
    assert told.startswith("ratings-platform: /nowhere/bin/java: Spark needs Java 17 or later, and there is none. ")


def test_executors_killed_in_mid_job_change_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """The same tables as from DuckDB. Without the warehouse and most answers, which would be more of the same."""
    dirty = tmp_path / "dirty"
    STUDY.write_sample(dirty, ratings=LARGE, seed=SEED, dirty=True)
    tables = [made.table.path for made in (*STUDY.ingests, *STUDY.models, STUDY.questions[1])]
    only = [f"--only={path}" for path in ("raw/weather_office", "bronze/weather_rejects", *tables)]
    home, wanted = Weather(tmp_path / "home"), Weather(tmp_path / "wanted")
    wanted.here.succeed("run", "--source", dirty, *only)
    settings = {"engine": "spark", "spark_master": cluster.master, "spark_options": cluster.options}
    program = home.start("run", "--source", dirty, *only, **settings)

    def is_at_work() -> bool:
        return program.poll() is None

    try:
        assert cluster.kill_an_executor_at_work(is_at_work)
        while is_at_work() and not any((home.path / "lake/silver").glob("*/*/")):
            time.sleep(0.05)
        assert cluster.kill_an_executor_at_work(is_at_work)
        _, told = program.communicate(timeout=PATIENCE_SECONDS)
    finally:
        program.kill()
    assert program.returncode == 0, told
    assert cluster.tasks_lost() >= 2
    for table in tables:
        assert sorted(home.lake(table), key=repr) == sorted(wanted.lake(table), key=repr), table
        if not table.startswith("bronze/"):  # where workers that died leave files, which no version has
            folder = home.path / "lake" / table
            assert {str(file) for file in folder.rglob("*.parquet")} == live_files(folder)
