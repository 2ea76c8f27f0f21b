"""Runs that are killed, and runs that meet: what is stored stays whole, and the next run ends as if undisturbed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from ratings_platform_tests.e2e.conftest import LARGE, RATINGS, SEED, Sample
from ratings_platform_tests.e2e.support import PATIENCE_SECONDS, Home, Weather, error_line, rounded

pytestmark = pytest.mark.e2e


def _entries(folder: str, pattern: str = "*") -> Callable[[Home], object]:
    return lambda home: sorted(path.name for path in (home.path / folder).glob(pattern) if path.name != "_delta_log")


def _size(file: str) -> Callable[[Home], object]:
    return lambda home: (home.path / file).stat().st_size if (home.path / file).exists() else 0


# For each layer, what changes as soon as it is being written; and for some moments between them, in their order.
MOMENTS = {
    "begun": _entries("dagster/processes"),
    "raw": _entries("scratch", "*/*-ratings-*"),  # where the sample is made
    "bronze": _entries("lake/bronze/readings_delivered"),
    "silver": _entries("lake/silver/station_readings"),
    "silver is published": _entries("lake/silver/station_readings/_delta_log"),
    "gold": _entries("lake/gold/fact_reading"),
    "answers": _entries("lake/answers/w2_warmest_stations"),
    "warehouse": _size("warehouse.duckdb.wal"),
}


# Why one of two runs may end without having done its work, and no other reason.
OTHER_WAS_QUICKER = (
    r"/\w+_keys: another run has published since this one read it\. Given up after 4 tries\.$"
    r"|: other writers published \d+ times in between\. Given up after 4 tries\.$"
)


def test_runs_killed_in_the_middle_of_each_layer_and_between_them(
    weather_home: Weather, weather: Sample, large_weather: Sample
) -> None:
    """Each run starts where the one before was killed, gets further, and is killed at the next moment."""
    home, large = weather_home, large_weather
    for moment, seen in MOMENTS.items():
        before = seen(home)
        program = _start(home)
        while seen(home) == before:
            assert program.poll() is None, (moment, program.communicate())
            time.sleep(0.002)
        assert _killed(program), f"the run had ended before it was killed at the moment {moment!r}"

        held = rounded(home.stored_answers())
        replaced = {name for name, rows in held.items() if rows == large.answers[name]}
        untouched = {name for name, rows in held.items() if rows == weather.answers[name]}
        assert replaced | untouched == set(held) == set(large.answers), moment
        assert replaced == set() or moment in ("answers", "warehouse"), moment
        assert home.warehouse("select count(*) from fact_reading")[0][0] in (RATINGS, LARGE), moment
    _run(home)
    _assert_as_undisturbed(home, large)


def test_two_runs_at_once(weather_home: Weather, large_weather: Sample) -> None:
    home, large = weather_home, large_weather
    programs = [_start(home), _start(home)]
    ends = []
    for program in programs:
        out, err = program.communicate(timeout=PATIENCE_SECONDS)
        ends.append(subprocess.CompletedProcess(program.args, program.returncode, out, err))

    assert any(end.returncode == 0 for end in ends)
    for end, other in zip(ends, reversed(programs), strict=True):
        if end.returncode:
            told = error_line(end)
            assert re.search(OTHER_WAS_QUICKER, told) or re.search(rf"is locked by .*PID {other.pid}\b", told), told
    _assert_as_undisturbed(home, large)


def _start(home: Home) -> subprocess.Popen[str]:
    return home.start("run", sample_ratings=LARGE, sample_seed=SEED)


def _run(home: Home) -> None:
    home.succeed("run", sample_ratings=LARGE, sample_seed=SEED)


def _killed(program: subprocess.Popen[str]) -> bool:
    """Kill it with all that it started; whether it was alive until then."""
    os.killpg(program.pid, signal.SIGKILL)
    program.communicate()
    return program.returncode == -signal.SIGKILL


def _assert_as_undisturbed(home: Home, sample: Sample) -> None:
    assert rounded(home.answers()) == sample.answers
    assert home.ratings_everywhere() == {LARGE}
    assert not [*home.path.glob("scratch/*")]
    assert [path.name for path in (home.path / "sample").iterdir()] == [f"{LARGE}-ratings-seed-{SEED}"]
