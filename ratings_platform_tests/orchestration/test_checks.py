"""The checks of the market study: all of them pass on clean data, and its own are seen to fail."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ratings_platform.orchestration.checks import CheckFactory
from ratings_platform.orchestration.resources import Platform
from ratings_platform.schema.study import Reconciliation
from ratings_platform.studies.market_study.tables import DIM_TIME
from ratings_platform_tests.conftest import Built
from ratings_platform_tests.orchestration.stand import Stand, failed

pytestmark = pytest.mark.integration


def test_a_clean_study_passes_every_check(stand: Stand) -> None:
    result = stand.run(job="market_study_checks", tags={})
    declared = stand.definitions.resolve_asset_graph().asset_check_keys
    assert result.success
    assert {(one.asset_key, one.check_name) for one in result.get_asset_check_evaluations()} == {
        (key.asset_key, key.name) for key in declared
    }
    assert failed(result) == {}


DELIVERIES = {"silver/ratings: years_of_one_delivery", "gold/fact_rating: years_of_one_delivery"}


def test_years_of_one_delivery(new_stand: Callable[..., Stand], built: Built, tmp_path: Path) -> None:
    source = Path(shutil.copytree(built.source, tmp_path / "vendor"))
    stand = new_stand(source=source)
    # As they were: some years alone, then some others, from the same files.
    assert not failed(stand.run(years=(2004,)))
    with (source / "combined_data_3.txt").open("a") as ratings:
        ratings.write("999,5,2003-12-31\n")
    result = stand.run(years=(2003,))
    assert result.success  # it only warns
    found = failed(result)
    assert found.keys() == DELIVERIES
    for check in found.values():
        assert check.severity == dg.AssetCheckSeverity.WARN
        assert "years of other deliveries: 1995–2002, 2004–2015" in _said(check)
        assert "of: ratings_netflix" in _said(check)
        assert "remedy: ratings-platform run market-study --years 1995:2015" in _said(check)
    # What mends one year only does not mend the others.
    assert "1995–2002, 2005–2015" in _said(failed(stand.run(years=(2004,)))["gold/fact_rating: years_of_one_delivery"])
    assert not failed(stand.run())
    assert stand.failed_checks() == {}


def test_years_of_a_table_that_follows_another_are_told_apart_by_what_that_one_was_made_from(
    new_stand: Callable[..., Stand], built: Built, tmp_path: Path
) -> None:
    source = Path(shutil.copytree(built.source, tmp_path / "vendor"))
    stand = new_stand(source=source)
    with (source / "combined_data_3.txt").open("a") as ratings:
        ratings.write("999,5,2003-12-31\n")
    bronze = ("raw/netflix_prize", "bronze/movies_netflix", "bronze/ratings_netflix", "bronze/rejects")
    assert not failed(stand.run(*bronze, "silver/ratings"))
    found = failed(stand.run("gold/fact_rating", years=(2003,)))
    assert "years of other deliveries: 1995–2002, 2004–2015" in _said(found["gold/fact_rating: years_of_one_delivery"])
    assert not failed(stand.run("gold/fact_rating"))


def test_years_that_do_not_say_where_they_come_from_are_not_warned_of(stand: Stand) -> None:
    """As those that releases before this one have made."""
    for path in ("silver/ratings", "gold/fact_rating"):
        stored = stand.table(path)
        stored.publish(stored.scan().files, info={"run": "old"})
    assert stand.failed_checks() == {}
    assert not failed(stand.run("silver/ratings", "gold/fact_rating", years=(2003,)))


def test_totals_per_company(stand: Stand) -> None:
    stand.spoil("gold/fact_rating", lambda rows: _replace(rows, "star_rating", _other_star), year=2005)
    said = _only(stand, "gold/fact_rating: totals_per_company")
    assert "| Netflix | 2400 |" in said


@pytest.mark.parametrize(("weight", "passed"), [(7.0, True), (8.0, False)], ids=["right", "wrong"])
def test_a_reconciliation_may_ask_for_settings(stand: Stand, weight: float, passed: bool) -> None:
    def found(dim_time: ir.Table, *, bayesian_weight: float) -> ir.Table:
        return dim_time.filter(dim_time.day_of_week == ibis.literal(bayesian_weight, "float64")).agg(
            days=ibis._.count()
        )

    def saturdays(dim_time: ir.Table) -> ir.Table:
        return dim_time.filter(dim_time.day_name == "Saturday").agg(days=ibis._.count())

    reconciliation = Reconciliation("saturdays", "As many as there are.", DIM_TIME, found, saturdays)
    check = CheckFactory(stand.study, {"bayesian_weight": weight}, 0.01)._reconciled(reconciliation)
    assert check.run(Platform.of(stand.settings), None)[0] is passed


def _only(stand: Stand, name: str) -> str:
    """Run all checks and see that this one alone fails; what it says."""
    found = stand.failed_checks()
    assert found.keys() == {name}
    return _said(found[name])


def _said(check: dg.AssetCheckEvaluation) -> str:
    return "\n".join(f"{name}: {value.value}" for name, value in check.metadata.items())


def _replace(rows: pa.Table, column: str, change: Callable[[pa.ChunkedArray], pa.ChunkedArray]) -> pa.Table:
    return rows.set_column(rows.column_names.index(column), rows.schema.field(column), change(rows[column]))


def _other_star(stars: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(stars, 5), pa.scalar(4, stars.type), stars)
