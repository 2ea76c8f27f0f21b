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
from ratings_platform_tests.e2e.support import PATIENCE_SECONDS, Home, error_line, rounded

pytestmark = pytest.mark.e2e


def _entries(folder: str) -> Callable[[Home], object]:
    return lambda home: sorted(path.name for path in (home.path / folder).glob("*") if path.name != "_delta_log")


def _size(file: str) -> Callable[[Home], object]:
    return lambda home: (home.path / file).stat().st_size if (home.path / file).exists() else 0


# For each layer, what changes as soon as it is being written.
LAYERS = {
    "raw": lambda home: sorted(home.path.glob("scratch/*/*-ratings-*")),  # where the sample is made
    "bronze": _entries("lake/bronze/ratings_netflix"),
    "silver": _entries("lake/silver/ratings"),
    "gold": _entries("lake/gold/dim_product"),
    "answers": _entries("lake/answers/q06_best_not_on_netflix"),
    "warehouse": _size("warehouse.duckdb.wal"),
}


# Why one of two runs may end without having done its work, and no other reason.
OTHER_WAS_QUICKER = (
    r"/product_keys: another run has published since this one read it\. Given up after 4 tries\.$"
    r"|: other writers published \d+ times in between\. Given up after 4 tries\.$"
)


def test_runs_killed_in_the_middle_of_each_layer(home: Home, clean: Sample, large: Sample):
    """Each run starts where the one before was killed, gets further, and is killed in the next layer."""
    for layer, watch in LAYERS.items():
        before = watch(home)
        program = _start(home)
        while watch(home) == before:
            assert program.poll() is None, (layer, program.communicate())
            time.sleep(0.001)
        _kill(program)

        held = rounded(home.answers())
        replaced = {name for name, rows in held.items() if rows == large.answers[name]}
        untouched = {name for name, rows in held.items() if rows == clean.answers[name]}
        assert replaced | untouched == set(held), layer
        assert replaced == set() or layer in ("answers", "warehouse"), layer
        assert home.warehouse("select count(*) from fact_rating")[0][0] in (RATINGS, LARGE), layer
    _run(home)
    _assert_as_undisturbed(home, large)


def test_runs_killed_at_any_moment(home: Home, clean: Sample, large: Sample):
    for moment in (0.7, 1.6, 2.3, 3.0, 3.8, 4.6):
        program = _start(home)
        time.sleep(moment)
        _kill(program)
        held = rounded(home.answers())
        assert all(rows in (clean.answers[name], large.answers[name]) for name, rows in held.items())
    _run(home)
    _assert_as_undisturbed(home, large)


def test_two_runs_at_once(home: Home, large: Sample):
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


def _kill(program: subprocess.Popen[str]) -> None:
    os.killpg(program.pid, signal.SIGKILL)
    program.communicate()


def _assert_as_undisturbed(home: Home, sample: Sample) -> None:
    assert rounded(home.answers()) == sample.answers
    assert home.ratings_everywhere() == {LARGE}
    assert not [*home.path.glob("scratch/*")]
    assert [path.name for path in (home.path / "sample").iterdir()] == [f"{LARGE}-ratings-seed-{SEED}"]
