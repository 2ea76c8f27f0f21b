"""Runs that are killed, and runs that meet: what is stored stays whole, and the next run ends as if nothing had been."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ratings_platform_tests.e2e import independent
from ratings_platform_tests.e2e.conftest import RATINGS as SMALL
from ratings_platform_tests.e2e.conftest import Sample
from ratings_platform_tests.e2e.support import PATIENCE_SECONDS, Home, error_line, rounded

pytestmark = pytest.mark.e2e

# Enough for each layer to take some time.
RATINGS, SEED = 60_000, 3


@pytest.fixture(scope="module")
def large(place: Path) -> Sample:
    folder = place / "large"
    printed = Home(place / "unused").succeed("sample", folder, "--ratings", RATINGS, "--seed", SEED)
    return Sample(folder, rounded(independent.answers(folder)), printed)


def _entries(folder: str) -> Callable[[Home], object]:
    return lambda home: sorted(path.name for path in (home.path / folder).glob("*") if path.name != "_delta_log")


def _size(file: str) -> Callable[[Home], object]:
    return lambda home: (home.path / file).stat().st_size if (home.path / file).exists() else 0


# For each layer, what changes as soon as it is being written.
LAYERS = {
    "raw": lambda home: sorted(home.path.glob("scratch/*/*")),  # where the sample is made
    "bronze": _entries("lake/bronze/ratings_netflix"),
    "silver": _entries("lake/silver/ratings"),
    "gold": _entries("lake/gold/dim_product"),
    "answers": _entries("lake/answers/q06_best_not_on_netflix"),
    "warehouse": _size("warehouse.duckdb.wal"),
}


@pytest.mark.parametrize("layer", LAYERS)
def test_run_killed_in_the_middle_of_a_layer(layer: str, home: Home, clean: Sample, large: Sample):
    watch = LAYERS[layer]
    before = watch(home)
    program = _start(home)
    while watch(home) == before:
        assert program.poll() is None, program.communicate()
    _kill(program)

    held = rounded(home.answers())
    untouched = {name for name, rows in held.items() if rows == clean.answers[name]}
    replaced = {name for name, rows in held.items() if rows == large.answers[name]}
    assert untouched | replaced == set(held)
    assert replaced == set() or layer in ("answers", "warehouse")
    assert home.warehouse("select count(*) from fact_rating")[0][0] in (SMALL, RATINGS)

    _run(home)
    _assert_as_undisturbed(home, large)


def test_runs_killed_at_any_moment(home: Home, clean: Sample, large: Sample):
    for moment in (0.5, 1.5, 2.2, 2.9, 3.6, 4.6):
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
    for end in ends:
        if end.returncode:
            error_line(end)
    _assert_as_undisturbed(home, large)


def _start(home: Home) -> subprocess.Popen[str]:
    return home.start("run", sample_ratings=RATINGS, sample_seed=SEED)


def _run(home: Home) -> None:
    home.succeed("run", sample_ratings=RATINGS, sample_seed=SEED)


def _kill(program: subprocess.Popen[str]) -> None:
    os.killpg(program.pid, signal.SIGKILL)
    program.communicate()


def _assert_as_undisturbed(home: Home, sample: Sample) -> None:
    assert rounded(home.answers()) == sample.answers
    assert home.ratings_everywhere() == {RATINGS}
    assert not [*home.path.glob("scratch/*")]
    assert [path.name for path in (home.path / "sample").iterdir()] == [f"{RATINGS}-ratings-seed-{SEED}"]
