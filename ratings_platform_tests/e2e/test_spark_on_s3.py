"""Spark, S3 and MySQL together: the demo prints there what it prints with the default settings."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ratings_platform_tests.conftest import QUICK_JAVA
from ratings_platform_tests.e2e.support import Home, rounded
from ratings_platform_tests.warehouse.mysql_server import MySQLServer, server

__all__ = ["server"]

pytestmark = pytest.mark.e2e


def test_the_demo_prints_the_same_answers(
    bucket: str, s3_client: Any, server: MySQLServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On all of this machine's cores, as without a setting for the master."""
    address, password = server.new_address()
    here, there = Home(tmp_path / "here"), Home(tmp_path / "there")
    wanted, answers = here.succeed("demo", "--ratings", 1000), here.answers()

    monkeypatch.setenv("RATINGS_LAKE", f"s3://{bucket}/lake")
    monkeypatch.setenv("RATINGS_WAREHOUSE", f"mysql://{address.user}@127.0.0.1:{address.port}/{address.database}")
    monkeypatch.setenv("RATINGS_WAREHOUSE_PASSWORD", password.text)
    options = f"spark.driver.extraJavaOptions='{QUICK_JAVA}'"
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    found = there.succeed("demo", "--ratings", 1000, engine="spark", spark_options=options)

    assert found == wanted
    assert not (there.path / "lake").exists()
    assert not (there.path / "warehouse.duckdb").exists()
    assert [*place.iterdir(), *there.path.glob("scratch/*")] == []
    listed = s3_client.list_objects_v2(Bucket=bucket, Prefix="lake/gold/fact_rating/part")["Contents"]
    file = s3_client.get_object(Bucket=bucket, Key=listed[0]["Key"])["Body"].read()
    assert pq.read_metadata(BytesIO(file)).created_by.startswith("parquet-mr"), "Spark wrote it"
    # Another machine reads the same lake.
    assert rounded(Home(tmp_path / "elsewhere").answers()) == rounded(answers)
