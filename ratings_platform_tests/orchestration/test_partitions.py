"""Years as partitions: whichever way a year is made, its content is the same, and no other year is touched."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pyarrow.parquet as pq
import pytest

from ratings_platform.orchestration.partitions import PARTITION, range_tags, yearly, years_of_run
from ratings_platform_tests.conftest import SAMPLE_RATINGS, Built, environment
from ratings_platform_tests.orchestration.stand import YEARS, Stand, evaluations, failed, materialised, put, shown

pytestmark = pytest.mark.integration

PARTITIONED = ("silver/ratings", "gold/fact_rating")
YEAR_WITHOUT_RATINGS = 1995


def test_a_range_is_a_run_tag_at_both_ends() -> None:
    assert range_tags((2003, 2004, 2005)) == {
        "dagster/asset_partition_range_start": "2003",
        "dagster/asset_partition_range_end": "2005",
    }
    assert yearly(1995, 2015).get_partition_keys() == [str(year) for year in YEARS]


@pytest.mark.parametrize(
    ("tags", "years"),
    [({}, None), ({PARTITION: "2003"}, (2003,)), (range_tags((2003, 2005)), (2003, 2004, 2005))],
)
def test_years_of_a_run(tags: Mapping[str, str], years: tuple[int, ...] | None) -> None:
    assert years_of_run(dg.DagsterRun(job_name="any", tags=tags)) == years


def test_one_year_a_range_or_all_years_give_the_same_files(stand: Stand) -> None:
    all_at_once = {path: _content(stand, path) for path in PARTITIONED}
    for path in PARTITIONED:
        shutil.rmtree(stand.table(path).uri)
    for years in (range(1995, 2003), range(2003, 2004), range(2004, 2016)):
        assert stand.run(*PARTITIONED, years=years).success
    assert {path: _content(stand, path) for path in PARTITIONED} == all_at_once
    assert set(all_at_once["silver/ratings"]) < set(YEARS)  # the sample has a year without ratings


def test_running_again_adds_no_rows(stand: Stand) -> None:
    before = {path: _content(stand, path) for path in PARTITIONED}
    rows = stand.tally("fact_rating")
    assert stand.run(years=(2003, 2004, 2005), job="market_study_by_year").success
    assert {path: _content(stand, path) for path in PARTITIONED} == before
    assert stand.tally("fact_rating") == rows


def test_one_year_touches_only_its_own_files(stand: Stand) -> None:
    before = {path: stand.paths(path) for path in PARTITIONED}
    result = stand.run(tags={PARTITION: "2003"}, job="market_study_by_year")
    assert result.success
    for path, files in before.items():
        changed = stand.paths(path).items() ^ files.items()
        assert len(changed) == 2
        assert all("year=2003" in file for file, _ in changed)
    assert {event.partition for event in result.get_asset_materialization_events()} == {"2003"}


def test_one_year_reads_no_other_year(stand: Stand) -> None:
    for path in PARTITIONED:
        for file in stand.paths(path):
            if "year=2003" not in file:
                Path(file).write_bytes(b"no Parquet")
    result = stand.run(tags={PARTITION: "2003"}, job="market_study_by_year")
    assert result.success
    assert len(evaluations(result)) == 13
    assert not failed(result)


def test_checks_of_one_year_see_that_year_alone(stand: Stand) -> None:
    stand.spoil("silver/ratings", put("star_rating", 77), year=2001)
    assert "silver/ratings: allowed_values" not in stand.failed_checks(tags={PARTITION: "2003"})
    assert "silver/ratings: allowed_values" in stand.failed_checks(tags={PARTITION: "2001"})


def test_a_year_without_data_is_materialised_with_no_rows(stand: Stand) -> None:
    result = stand.run(*PARTITIONED, years=(YEAR_WITHOUT_RATINGS,))
    assert result.success
    for key, found in shown(result).items():
        assert found["dagster/partition_row_count"].value == 0, key
        assert found["dagster/row_count"].value == SAMPLE_RATINGS, key


def test_a_year_that_lost_its_data_loses_its_rows(stand: Stand) -> None:
    for path in ("bronze/ratings_netflix", "bronze/ratings_amazon"):
        stored = stand.table(path)
        kept = [file for file in stored.scan().files if file.first_day and file.first_day.year != 2003]
        stored.publish(kept, info=stored.info())
    assert stand.run(job="market_study_by_year", years=(2003,)).success
    assert 2003 not in _content(stand, "gold/fact_rating")
    assert stand.tally("fact_rating") == stand.rows("gold/fact_rating").num_rows < 3000


def test_a_back_fill_from_dagsters_own_command_line_is_one_run(built: Built, copy_of_home: Path) -> None:
    command = ["asset", "materialize", "-m", "ratings_platform.definitions", "--partition-range", "2003...2005"]
    with environment(copy_of_home, home=copy_of_home, source=built.source):
        os.environ["DAGSTER_HOME"] = str(copy_of_home / "dagster")
        with dg.DagsterInstance.get() as instance:
            (built_by,) = instance.get_runs()
        done = subprocess.run(
            [sys.executable, "-m", "dagster", *command, "--select", "silver/ratings"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        with dg.DagsterInstance.get() as instance:
            (last, first) = instance.get_runs()
            assert first.run_id == built_by.run_id
            records = instance.fetch_materializations(dg.AssetKey(["silver", "ratings"]), limit=3).records
    assert {record.partition_key for record in records} == {"2003", "2004", "2005"}
    assert {record.run_id for record in records} == {last.run_id}


def test_whole_runs_of_other_years_leave_the_rest_as_it_was(stand: Stand) -> None:
    before = _content(stand, "gold/fact_rating")
    assert materialised(stand.run("gold/fact_rating", years=(1999, 2000))) == {"gold/fact_rating"}
    assert _content(stand, "gold/fact_rating") == before


def _content(stand: Stand, path: str) -> dict[int, tuple[str, int]]:
    """The checksum of each year's file, and its rows."""
    scan = stand.table(path).scan()
    return {
        file.year or 0: (
            hashlib.sha256(Path(where).read_bytes()).hexdigest(),
            pq.read_metadata(where).num_rows,
        )
        for file, where in zip(scan.files, scan.paths, strict=True)
    }
