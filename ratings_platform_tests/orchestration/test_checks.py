"""Each kind of check is seen to fail, for the fault that it is there for and with what a person needs to find it."""

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
from ratings_platform_tests.orchestration.stand import (
    Stand,
    evaluations,
    failed,
    materialised,
    put,
    without_first,
)

pytestmark = pytest.mark.integration


def test_a_clean_study_passes_every_check(stand: Stand) -> None:
    result = stand.run(job="market_study_checks", tags={})
    declared = stand.definitions.resolve_asset_graph().asset_check_keys
    assert result.success
    assert {(one.asset_key, one.check_name) for one in result.get_asset_check_evaluations()} == {
        (key.asset_key, key.name) for key in declared
    }
    assert failed(result) == {}


def test_columns_and_types(stand: Stand) -> None:
    stand.spoil("silver/movies", _as_text("year_released"))
    assert "year_released string" in _only(stand, "silver/movies: columns_and_types")


def test_columns_and_types_of_a_table_that_is_not_there(stand: Stand) -> None:
    shutil.rmtree(stand.table("gold/dim_time").uri)
    found = stand.failed_checks()
    assert "never materialised" in _said(found["gold/dim_time: columns_and_types"])


def test_required(stand: Stand) -> None:
    stand.spoil("gold/dim_product", put("title", None))
    said = _only(stand, "gold/dim_product: required")
    assert "title: 1" in said
    assert f"| {stand.rows('gold/dim_product')['product_key'][0].as_py()} |" in said  # the row's key, to find it by


def test_allowed_values_below_a_minimum_or_outside_a_list(stand: Stand) -> None:
    stand.spoil("bronze/ratings_amazon", put("star_rating", 9))
    stand.spoil("silver/ratings", put("company", "Blockbuster"), year=2005)
    found = stand.failed_checks()
    assert found.keys() == {
        "bronze/ratings_amazon: allowed_values",
        "silver/ratings: allowed_values",
        "gold/fact_rating: totals_per_company",  # which are those of silver
    }
    assert "star_rating: 1" in _said(found["bronze/ratings_amazon: allowed_values"])
    assert "| 9 |" in _said(found["bronze/ratings_amazon: allowed_values"])
    assert "Blockbuster" in _said(found["silver/ratings: allowed_values"])


def test_unique_key(stand: Stand) -> None:
    path = "gold/product_keys"
    twin = stand.rows(path).slice(0, 1)
    stand.spoil(path, lambda rows: pa.concat_tables([rows, twin]))
    said = _only(stand, "gold/product_keys: unique_key")
    assert "repeated_keys: 1" in said
    assert twin["product_id"][0].as_py() in said


def test_references(stand: Stand) -> None:
    stand.spoil("gold/fact_rating", put("time_key", 19940101), year=2005)
    said = _only(stand, "gold/fact_rating: references")
    assert "time_key: 1" in said
    assert "| time_key | 19940101 |" in said


def test_every_line_accounted_for(stand: Stand) -> None:
    stand.spoil("bronze/ratings_netflix", without_first)
    found = stand.failed_checks()
    # What silver was made of is no longer there either.
    assert found.keys() == {
        "bronze/ratings_netflix: every_line_accounted_for",
        "silver/ratings: no_row_lost_or_added",
    }
    assert "kept, 0 rejected" in _said(found["bronze/ratings_netflix: every_line_accounted_for"])


def test_few_rejects_warns_and_blocks_nothing(new_stand: Callable[..., Stand], built: Built, tmp_path: Path) -> None:
    source = Path(shutil.copytree(built.source, tmp_path / "faulty"))
    with (source / "combined_data_1.txt").open("a") as ratings:
        ratings.write("17,9,2003-01-01\n" * 200)
    stand = new_stand(source=source)
    result = stand.run("raw/netflix_prize", "bronze/movies_netflix", "bronze/ratings_netflix", "bronze/rejects")
    assert result.success
    (check,) = failed(result).values()
    assert (check.check_name, check.severity) == ("few_rejects", dg.AssetCheckSeverity.WARN)
    assert "combined_data_1.txt" in _said(check)
    assert stand.rows("bronze/rejects").num_rows == 200
    assert stand.failed_checks().keys() == {"bronze/ratings_netflix: few_rejects"}


def test_all_rejects_here(stand: Stand) -> None:
    invented = {"table": "movies_netflix", "file": "movie_titles.csv", "line": 1, "reason": "none", "raw": ""}
    stand.spoil("bronze/rejects", lambda rows: pa.Table.from_pylist([invented], rows.schema))
    said = _only(stand, "bronze/rejects: all_rejects_here")
    assert "rejected while reading: 0" in said
    assert "rows here: 1" in said


def test_no_row_lost_or_added(stand: Stand) -> None:
    stand.spoil("silver/ratings", lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]), year=2005)
    found = stand.failed_checks()
    # The fact table has what silver had before.
    assert found.keys() == {
        "silver/ratings: no_row_lost_or_added",
        "gold/fact_rating: no_row_lost_or_added",
        "gold/fact_rating: totals_per_company",
    }
    said = _said(found["silver/ratings: no_row_lost_or_added"])
    assert "rows: 3001" in said
    assert "expected: 3000" in said
    assert "years that differ: {2005: (" in said


def test_rows_in_the_wrong_year_are_noticed_though_the_sum_is_right(stand: Stand) -> None:
    stand.spoil("silver/ratings", without_first, year=2005)
    stand.spoil("silver/ratings", lambda rows: pa.concat_tables([rows, rows.slice(0, 1)]), year=2004)
    said = _said(stand.failed_checks()["silver/ratings: no_row_lost_or_added"])
    assert "rows: 3000" in said
    assert "{2004: (" in said


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


def test_same_rows_as_lake(stand: Stand) -> None:
    stand.tamper("delete from dim_time where time_key = 19950101")
    said = _only(stand, "warehouse/dim_time: same_rows_as_lake")
    assert "rows in the lake: 7670" in said
    assert "rows in the warehouse: 7669" in said


def test_same_answer_as_lake_when_the_stored_answer_is_another(stand: Stand) -> None:
    stand.tamper("update i1_films set films = films + 1")
    found = stand.failed_checks()["warehouse/i1_films: same_answer_as_lake"]
    shown = {name: value.value for name, value in found.metadata.items()}
    assert "| Netflix |" in shown["lake"] == shown["asked of the warehouse"]
    assert "| Netflix |" in shown["stored in the warehouse"] != shown["lake"]


def test_same_answer_as_lake_when_the_warehouse_would_answer_otherwise(stand: Stand) -> None:
    stand.tamper("update dim_product set year_released = 1901 where company = 'Netflix'")
    assert stand.failed_checks().keys() == {
        "warehouse/q04_release_years: same_answer_as_lake",
        "warehouse/i3_fewest_films: same_answer_as_lake",
    }


def test_a_table_missing_in_the_warehouse_fails_its_checks_only(stand: Stand) -> None:
    stand.tamper("drop table dim_time")
    found = stand.failed_checks()
    assert found.keys() == {
        "warehouse/dim_time: same_rows_as_lake",
        "warehouse/q09_amazon_last_day: same_answer_as_lake",
        "warehouse/q11_netflix_last_day: same_answer_as_lake",
    }
    assert all("never loaded" in _said(one) for one in found.values())


def test_a_failed_blocking_check_stops_what_comes_after_it(stand: Stand) -> None:
    stand.spoil("bronze/ratings_amazon", put("star_rating", 9))
    before = {path: stand.paths(path) for path in ("silver/ratings", "gold/fact_rating")}
    result = stand.run("bronze/ratings_amazon", "silver/ratings", "gold/fact_rating", "gold/dim_time")
    assert not result.success
    assert failed(result).keys() == {"bronze/ratings_amazon: allowed_values"}
    assert materialised(result) == {"bronze/ratings_amazon", "gold/dim_time"}
    assert {path: stand.paths(path) for path in before} == before
    assert stand.rows("gold/fact_rating").num_rows == 3000


def test_a_passed_check_says_so(stand: Stand) -> None:
    found = evaluations(stand.run("gold/dim_time"))
    assert {name: one.passed for name, one in found.items()} == dict.fromkeys(
        (f"gold/dim_time: {check}" for check in ("columns_and_types", "required", "allowed_values", "unique_key")), True
    )


def _only(stand: Stand, name: str) -> str:
    """Run all checks and see that this one alone fails; what it says."""
    found = stand.failed_checks()
    assert found.keys() == {name}
    return _said(found[name])


def _said(check: dg.AssetCheckEvaluation) -> str:
    return "\n".join(f"{name}: {value.value}" for name, value in check.metadata.items())


def _as_text(column: str) -> Callable[[pa.Table], pa.Table]:
    return lambda rows: rows.set_column(rows.column_names.index(column), column, rows[column].cast(pa.string()))


def _replace(rows: pa.Table, column: str, change: Callable[[pa.ChunkedArray], pa.ChunkedArray]) -> pa.Table:
    return rows.set_column(rows.column_names.index(column), rows.schema.field(column), change(rows[column]))


def _other_star(stars: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.equal(stars, 5), pa.scalar(4, stars.type), stars)
