"""What starts runs: answers that follow their inputs, the weekly schedule, and the sensor on new files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from ratings_platform.orchestration.resources import Platform
from ratings_platform_tests.conftest import Built
from ratings_platform_tests.orchestration.stand import Stand, failed, materialised, put

pytestmark = pytest.mark.integration

FACT = dg.AssetKey(["gold", "fact_reading"])


class Follower:
    """The declarative automation of a stand, tick by tick."""

    def __init__(self, stand: Stand):
        self._stand, self._cursor = stand, None

    def tick(self) -> dict[str, set[str | None]]:
        """The assets asked for, with their partitions."""
        stand = self._stand
        result = dg.evaluate_automation_conditions(stand.definitions, stand.instance, cursor=self._cursor)
        self._cursor = result.cursor
        asked = {one.key: result.get_requested_partitions(one.key) for one in result.results}
        return {key.to_user_string(): partitions for key, partitions in asked.items() if partitions}


def test_answers_follow_the_facts_and_the_warehouse_follows_the_answers(weather_stand: Stand) -> None:
    stand = weather_stand
    assert not stand.failed_checks()  # nothing follows what no check has looked at
    follower = Follower(stand)
    assert follower.tick() == {}
    assert stand.run("gold/fact_reading", years=(2003,)).success
    asked = follower.tick()
    assert asked == {
        **{key: {None} for key in _below_the_facts(stand)},
        "warehouse/fact_reading": {"2003"},
    }
    assert follower.tick() == {}  # once is enough
    result = stand.run(*asked, years=(2003,))
    assert result.success
    order = [e.asset_key.to_user_string() for e in result.get_asset_materialization_events() if e.asset_key]
    assert set(order) == set(asked)
    for question in stand.study.questions:
        if question.table.path in asked:
            assert order.index(question.table.path) < order.index(f"warehouse/{question.table.name}")
    assert follower.tick() == {}


def test_an_answer_run_by_hand_is_loaded_into_the_warehouse(weather_stand: Stand) -> None:
    follower = Follower(weather_stand)
    follower.tick()
    weather_stand.run("answers/w1_regions")
    assert follower.tick() == {"warehouse/w1_regions": {None}}


def test_nothing_follows_facts_that_a_blocking_check_refused(weather_stand: Stand) -> None:
    stand, follower = weather_stand, Follower(weather_stand)
    assert not stand.failed_checks()
    follower.tick()
    stand.spoil("silver/station_readings", put("degrees", 999.5), year=2002)
    result = stand.run("gold/fact_reading", years=(2002,))
    assert "gold/fact_reading: allowed_values" in failed(result)
    assert follower.tick() == {}


def test_all_years_at_once_are_all_loaded(weather_stand: Stand) -> None:
    follower = Follower(weather_stand)
    follower.tick()
    weather_stand.run("gold/fact_reading")
    assert follower.tick()["warehouse/fact_reading"] == {str(year) for year in weather_stand.study.years}


def test_a_run_of_the_whole_study_leaves_nothing_to_follow(weather_stand: Stand) -> None:
    follower = Follower(weather_stand)
    follower.tick()
    assert weather_stand.run().success
    assert follower.tick() == {}


def test_the_schedule_asks_for_all_years_in_one_run(code_location: dg.Definitions) -> None:
    schedule = code_location.resolve_schedule_def("market_study_weekly")
    tick = schedule.evaluate_tick(dg.build_schedule_context())
    (request,) = tick.run_requests or ()
    assert request.tags["dagster/asset_partition_range_start"] == "1995"
    assert request.tags["dagster/asset_partition_range_end"] == "2015"
    assert schedule.job_name == "market_study"


class Watcher:
    """The sensor on new files, tick by tick."""

    def __init__(self, stand: Stand):
        self._stand = stand
        self.cursor: str | None = None
        self._sensor = stand.definitions.resolve_sensor_def("market_study_new_files")

    def tick(self, **changed: object) -> list[dg.RunRequest] | str:
        """The runs asked for, or why there are none."""
        platform = Platform.of(self._stand.settings.model_copy(update=changed))
        context = dg.build_sensor_context(
            instance=self._stand.instance, cursor=self.cursor, resources={"platform": platform}
        )
        data = self._sensor.evaluate_tick(context)
        self.cursor = data.cursor
        return list(data.run_requests or ()) or data.skip_message or ""

    def still(self) -> list[dg.RunRequest] | str:
        """The second of two ticks between which nothing changes."""
        self.tick()
        return self.tick()


@pytest.fixture
def source(built: Built, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built.source, tmp_path / "vendor"))


def test_new_files_start_the_study_once(new_stand: Callable[..., Stand], source: Path) -> None:
    watcher = Watcher(new_stand(source=source))
    assert "a run starts once two looks find them alike" in watcher.tick()
    (request,) = watcher.tick()
    assert isinstance(request, dg.RunRequest)
    assert request.tags["dagster/asset_partition_range_start"] == "1995"
    assert watcher.tick() == watcher.tick() == "The 8 vendor files are those seen before."


def test_files_that_are_being_copied_start_nothing(new_stand: Callable[..., Stand], source: Path) -> None:
    watcher = Watcher(new_stand(source=source))
    growing = source / "combined_data_1.txt"
    for _ in range(3):
        assert "two looks" in watcher.tick()
        growing.write_bytes(growing.read_bytes() + b"999,5,2005-12-31\n")
    assert "two looks" in watcher.tick()
    assert isinstance(watcher.tick()[0], dg.RunRequest)


def test_looks_between_which_a_file_was_gone_are_not_two_in_a_row(
    new_stand: Callable[..., Stand], source: Path
) -> None:
    watcher = Watcher(new_stand(source=source))
    file, away = source / "combined_data_1.txt", source.parent / "away"
    assert "two looks" in watcher.tick()
    file.rename(away)
    assert "combined_data_1.txt is missing" in watcher.tick()
    away.rename(file)
    assert "two looks" in watcher.tick()
    assert isinstance(watcher.tick()[0], dg.RunRequest)


def test_a_cursor_of_an_earlier_release_is_understood(new_stand: Callable[..., Stand], source: Path) -> None:
    watcher = Watcher(new_stand(source=source))
    watcher.tick()
    watcher.tick()
    assert watcher.cursor
    watcher.cursor = watcher.cursor.split()[0]
    assert watcher.tick() == "The 8 vendor files are those seen before."


def test_changed_files_start_the_study_again(new_stand: Callable[..., Stand], source: Path) -> None:
    watcher = Watcher(new_stand(source=source))
    watcher.still()
    changed = source / "combined_data_1.txt"
    content, times = changed.read_bytes(), (changed.stat().st_atime_ns, changed.stat().st_mtime_ns)
    changed.write_bytes(content + b"999,5,2005-12-31\n")
    (second,) = watcher.still()
    # Back to what it was, to the nanosecond: the lake holds the other one by now.
    changed.write_bytes(content)
    os.utime(changed, ns=times)
    (third,) = watcher.still()
    assert isinstance(second, dg.RunRequest)
    assert isinstance(third, dg.RunRequest)
    assert third.run_key is None  # a run key that was used before would start nothing


def test_the_run_asked_for_works(new_stand: Callable[..., Stand], source: Path) -> None:
    stand = new_stand(source=source)
    (request,) = Watcher(stand).still()
    assert isinstance(request, dg.RunRequest)
    changed = source / "combined_data_1.txt"
    changed.write_bytes(changed.read_bytes() + b"999,5,2005-12-31\n")
    result = stand.run(tags=dict(request.tags))
    assert result.success
    assert failed(result) == {}
    assert len(materialised(result)) == len(stand.definitions.resolve_asset_graph().get_all_asset_keys())
    assert stand.table("gold/fact_rating").scan().rows == stand.tally("fact_rating") == 3001


def test_a_broken_directory_is_told(new_stand: Callable[..., Stand], source: Path) -> None:
    watcher = Watcher(new_stand(source=source))
    (source / "combined_data_2.txt").unlink()
    assert "combined_data_2.txt is missing" in watcher.tick()
    assert "there is no such directory" in watcher.tick(source=str(source / "nowhere"))
    (source / "movie_titles.csv").write_bytes(b"")
    assert "the file is empty" in watcher.tick()


@pytest.mark.parametrize("source_setting", ["sample", "kaggle"])
def test_without_a_directory_there_is_nothing_to_watch(stand: Stand, source_setting: str) -> None:
    assert Watcher(stand).tick(source=source_setting) == (
        f"The source is {source_setting}: there is no directory to watch."
    )


def _below_the_facts(stand: Stand) -> set[str]:
    """Everything that the facts go into, by however many steps, save the facts in the warehouse."""
    graph = stand.definitions.resolve_asset_graph()
    below = dg.AssetSelection.assets(FACT).downstream(include_self=False).resolve(graph)
    return {key.to_user_string() for key in below} - {"warehouse/fact_reading"}
