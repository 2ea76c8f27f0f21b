"""How tables travel from asset to asset: as lazy scans, for the years in question, or with a remedy."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import dagster as dg
import pytest

from ratings_platform.lake.raw import RawStore
from ratings_platform.orchestration.failures import reason
from ratings_platform.orchestration.io_managers import LakeIOManager, WarehouseIOManager
from ratings_platform.orchestration.partitions import yearly
from ratings_platform.orchestration.resources import Platform
from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.files import Scan
from ratings_platform.studies.market_study.tables import DIM_TIME, RATINGS
from ratings_platform_tests.orchestration.stand import YEARS, Stand

pytestmark = pytest.mark.integration


def test_a_table_that_was_never_materialised_is_named_with_the_remedy(stand: Stand) -> None:
    shutil.rmtree(stand.table("silver/movies").uri)
    result = stand.run("gold/product_keys")
    (event,) = [event for event in result.all_events if event.is_step_failure]
    said = reason(event)
    assert "silver/movies is not materialised yet" in said
    assert "Materialise silver/movies first, or run the whole study: ratings-platform run" in said
    assert event.step_failure_data.user_failure_data
    assert not [e for e in result.all_events if e.event_type is dg.DagsterEventType.STEP_UP_FOR_RETRY]


def test_tables_are_loaded_as_scans(stand: Stand) -> None:
    key = dg.AssetKey(["silver", "ratings"])
    manager = LakeIOManager(Platform.of(stand.settings), {key: RATINGS}, [])
    whole = manager.load_input(dg.build_input_context(asset_key=key))
    assert isinstance(whole, Scan)
    assert whole.rows == 3000
    assert whole.version == 0
    years = _years(manager, key, "2003", "2005")
    assert years.years == (2003, 2004, 2005)
    assert {file.year for file in years.files} == {2003, 2004, 2005}
    assert _years(manager, key, "1995", "1995").rows == 0
    assert sum(_years(manager, key, str(year), str(year)).rows for year in YEARS) == whole.rows


def test_the_warehouse_is_the_end_of_the_line(stand: Stand) -> None:
    key = dg.AssetKey(["warehouse", "dim_time"])
    manager = WarehouseIOManager(Platform.of(stand.settings), {key: (stand.study, DIM_TIME)})
    with pytest.raises(PlatformError, match="end of the line"):
        manager.load_input(dg.build_input_context(asset_key=key))


@pytest.mark.parametrize("path", ["gold/dim_time", "answers/q04_release_years"])
def test_what_the_lake_does_not_have_empties_no_warehouse(stand: Stand, path: str) -> None:
    name = path.partition("/")[2]
    before = stand.tally(name)
    shutil.rmtree(stand.table(path).uri)
    result = stand.run(f"warehouse/{name}")
    (event,) = [event for event in result.all_events if event.is_step_failure]
    assert f"{path} is not materialised yet" in reason(event)
    assert stand.tally(name) == before > 0


def test_the_warehouse_is_loaded_with_what_the_lake_has(stand: Stand) -> None:
    stand.tamper("delete from fact_rating")
    assert stand.run("warehouse/fact_rating", years=(2003, 2004)).success
    assert stand.tally("fact_rating") == stand.table("gold/fact_rating").scan((2003, 2004)).rows
    assert stand.run("warehouse/fact_rating").success
    assert stand.tally("fact_rating") == 3000


def test_a_warehouse_that_was_removed_is_made_anew(stand: Stand) -> None:
    stand.settings.warehouse_path.unlink()
    tables = [f"warehouse/{name}" for name in stand.study.warehouse]
    assert stand.run(*tables, *(f"warehouse/{q.table.name}" for q in stand.study.questions)).success
    assert stand.tally("fact_rating") == 3000


def test_a_version_says_which_run_made_it(stand: Stand) -> None:
    result = stand.run("gold/dim_time")
    assert stand.table("gold/dim_time").info() == {"run": result.run_id}


def test_the_manifest_of_raw_files_can_be_read_by_anyone(stand: Stand) -> None:
    manifest = RawStore(stand.settings.lake_root, stand.settings.home).manifest_uri("netflix_prize")
    listed = json.loads(Path(manifest).read_text())
    assert {file["name"] for file in listed} == {"movie_titles.csv", *(f"combined_data_{n}.txt" for n in range(1, 5))}
    assert all(len(file["sha256"]) == 64 and file["origin"].startswith("file:///") for file in listed)


def _years(manager: LakeIOManager, key: dg.AssetKey, first: str, last: str) -> Scan:
    context = dg.build_input_context(
        asset_key=key,
        asset_partition_key_range=dg.PartitionKeyRange(first, last),
        asset_partitions_def=yearly(YEARS[0], YEARS[-1]),
    )
    found = manager.load_input(context)
    assert isinstance(found, Scan)
    return found
