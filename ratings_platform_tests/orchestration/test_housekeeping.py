"""Going back to an earlier version: Dagster knows of it, so that what follows from the table follows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from ratings_platform.orchestration.housekeeping import restore
from ratings_platform.orchestration.running import recorded_in
from ratings_platform.schema.errors import PlatformError
from ratings_platform_tests.orchestration.stand import YEARS, Stand

pytestmark = pytest.mark.integration


def test_dagster_knows_of_a_restored_version(new_stand: Callable[..., Stand], tmp_path: Path) -> None:
    stand = new_stand()
    ratings = stand.table("silver/ratings")
    before = ratings.scan()
    ratings.publish([], info={"run": "a mistake"})
    assert restore(ratings, 0, stand.study, tmp_path / "dagster") == 2
    assert ratings.scan().files == before.files
    with recorded_in(tmp_path / "dagster") as instance:
        key = dg.AssetKey(["silver", "ratings"])
        assert instance.get_materialized_partitions(key) == {str(year) for year in YEARS}
        event = instance.get_latest_materialization_event(key)
        assert event is not None
        assert event.asset_materialization is not None
        shown = event.asset_materialization.metadata
        assert (shown["version"].value, shown["restored version"].value) == (2, 0)
        assert shown["dagster/row_count"].value == before.rows


def test_keys_once_given_stay_given(stand: Stand, tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="only grows"):
        restore(stand.table("gold/product_keys"), 0, stand.study, tmp_path / "dagster")
    assert stand.table("gold/product_keys").scan().version == 0
