"""The demo as it is without a setting; and a run with Spark, S3 and MySQL, by settings alone.

Belongs here: what only processes of the command show of these. Does not belong here: that all tables are the same in
every place (`parity/test_everywhere.py`).
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ratings_platform_tests.conftest import QUICK_JAVA
from ratings_platform_tests.e2e.support import Weather, rounded
from ratings_platform_tests.made_up import oracle
from ratings_platform_tests.made_up.weather import FACT, KEYS, QUESTIONS, READINGS, STATION, STATIONS, STUDY
from ratings_platform_tests.warehouse.mysql_server import MySQLServer, server

__all__ = ["server"]

pytestmark = pytest.mark.e2e


def test_the_demo_prints_the_answers_of_its_sample(tmp_path: Path) -> None:
    home = Weather(tmp_path / "home").here
    printed = home.succeed("demo", "--ratings", 1000)
    assert printed == home.succeed("answers")
    assert all(question.question in printed for question in QUESTIONS)
    [sample] = (home.path / "sample").iterdir()
    assert rounded(home.answers()) == rounded(oracle.answers(sample))


def test_spark_writes_to_s3_and_leaves_nothing_here(
    bucket: str,
    s3_client: Any,
    server: MySQLServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On all of this machine's cores, as without a setting for the master."""
    address, password = server.new_address()
    monkeypatch.setenv("RATINGS_LAKE", f"s3://{bucket}/lake")
    monkeypatch.setenv("RATINGS_WAREHOUSE", f"mysql://{address.user}@127.0.0.1:{address.port}/{address.database}")
    monkeypatch.setenv("RATINGS_WAREHOUSE_PASSWORD", password.text)
    options = f"spark.driver.extraJavaOptions='{QUICK_JAVA}'"
    home, source, place = Weather(tmp_path / "home"), tmp_path / "source", tmp_path / "place"
    planted = STUDY.write_sample(source, ratings=1000, seed=1, dirty=True)
    place.mkdir()
    monkeypatch.chdir(place)
    tables = (READINGS, KEYS, STATION, FACT, STUDY.rejects, *(ingest.table for ingest in STUDY.ingests))
    only = [f"--only={path}" for path in ("raw/weather_office", *(t.path for t in tables), "warehouse/dim_station")]
    home.succeed("run", "--source", source, *only, engine="spark", spark_options=options)

    assert not (home.path / "lake").exists()
    assert not (home.path / "warehouse.duckdb").exists()
    assert [*place.iterdir(), *home.path.glob("scratch/*")] == []
    listed = s3_client.list_objects_v2(Bucket=bucket, Prefix="lake/gold/fact_reading/part")["Contents"]
    file = s3_client.get_object(Bucket=bucket, Key=listed[0]["Key"])["Body"].read()
    assert pq.read_metadata(BytesIO(file)).created_by.startswith("parquet-mr"), "Spark wrote it"
    assert server.run("select count(*) from dim_station", address.database) == [(STATIONS,)]
    # Another machine reads the same lake.
    told = Weather(tmp_path / "elsewhere").here.succeed("rejects", "--rows", 0)
    assert all(one.reason in told for one in planted)
