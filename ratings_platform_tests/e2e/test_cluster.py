"""The study on a Spark cluster of several processes, and with executors killed in mid-job; and on Spark alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable

from ratings_platform.studies.market_study.study import STUDY
from ratings_platform_tests.e2e.conftest import Sample
from ratings_platform_tests.e2e.spark_cluster import Cluster, running
from ratings_platform_tests.e2e.support import PATIENCE_SECONDS, Home

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("cluster")) as started:
        yield started


def live_files(table: Path) -> set[str]:
    return set(DeltaTable(str(table)).file_uris())


def test_without_java_one_line_says_what_to_do(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    told = home.fail("run", "--only", "silver/movies", engine="spark")
    assert told.startswith("ratings-platform: /nowhere/bin/java: Spark needs Java 17 or later, and there is none. ")


def test_executors_killed_in_mid_job_change_nothing(cluster: Cluster, dirty: Sample, good_home: Home, tmp_path: Path):
    """Everything but the warehouse and most answers, which would be more of the same."""
    tables = [made.table.path for made in (*STUDY.ingests, *STUDY.models, *STUDY.questions[4:7])]
    only = [*(f"raw/{vendor.name}" for vendor in STUDY.vendors), "bronze/rejects", *tables]
    home = Home(tmp_path / "home")
    settings = {"engine": "spark", "spark_master": cluster.master, "spark_options": cluster.options}
    program = home.start("run", "--source", dirty.folder, *(f"--only={table}" for table in only), **settings)

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
        assert sorted(home.lake(table), key=repr) == sorted(good_home.lake(table), key=repr), table
        if not table.startswith("bronze/"):  # where workers that died leave files, which no version has
            folder = home.path / "lake" / table
            assert {str(file) for file in folder.rglob("*.parquet")} == live_files(folder)
