"""Faults of sources, settings and warehouse: told in one line, and nothing is lost by them.

Belongs here: what the command says of a fault of each kind, and what it leaves. Does not belong here: each fault that
the files of a study may have (`orchestration/test_spoilt_files.py`).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ratings_platform_tests.conftest import Built
from ratings_platform_tests.e2e.conftest import RATINGS, Sample
from ratings_platform_tests.e2e.support import PATIENCE_SECONDS, Home, Weather, error_line, rounded

pytestmark = pytest.mark.e2e

READINGS, STATIONS = "readings_2.txt", "stations.csv"


# --- A whole file that cannot be used --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """How a delivery is spoilt, and what the one line about it must hold."""

    name: str
    spoil: Callable[[Path], object]
    told: tuple[str, ...]


def _damaged_zip(folder: Path) -> None:
    """Whole by its directory, broken in the middle of a member."""
    path = folder / "readings.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.glob("*.txt"):
            archive.write(file, file.name)
            file.unlink()
    content = bytearray(path.read_bytes())
    content[3_000:3_100] = bytes(100)
    path.write_bytes(content)


def _utf16(folder: Path) -> None:
    (folder / STATIONS).write_text((folder / STATIONS).read_text(encoding="utf-8"), encoding="utf-16")


FAULTS = [
    Fault("missing_file", lambda folder: (folder / READINGS).unlink(), (READINGS, "is missing", "Put the named files")),
    Fault("damaged_zip", _damaged_zip, ("readings.zip", "truncated or damaged", "Fetch it again")),
    Fault("utf16_file", _utf16, (f"{STATIONS}, line 1", "is no plain text", "Fetch the file again")),
]


@pytest.fixture(scope="module")
def tried_home(weather_built: Built, tmp_path_factory: pytest.TempPathFactory) -> Weather:
    """A home in which one spoilt delivery after the other is tried."""
    return Weather(weather_built.home).copy(tmp_path_factory.mktemp("tried") / "home")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_spoilt_file_is_refused(
    fault: Fault, tried_home: Weather, weather: Sample, other_weather: Sample, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(other_weather.folder, tmp_path / "delivery"))
    fault.spoil(folder)

    told = tried_home.fail("run", "--source", folder)

    assert all(words in told for words in fault.told), told
    assert rounded(tried_home.stored_answers()) == weather.answers
    assert not [*tried_home.path.glob("scratch/*")]


def test_mended_files_are_taken_after_all(tried_home: Weather, other_weather: Sample) -> None:
    tried_home.succeed("run", "--source", other_weather.folder)
    assert rounded(tried_home.answers()) == other_weather.answers
    assert tried_home.lake("bronze/weather_rejects") == []


# --- The warehouse ---------------------------------------------------------------------------------------------------

HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


@pytest.fixture(scope="module", autouse=True)
def locked_out(
    weather_built: Built, other_weather: Sample, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Weather, subprocess.Popen[str], subprocess.Popen[str]]]:
    """A home, another program that has its warehouse open, and a run that waits for it while other tests go on."""
    home = Weather(weather_built.home).copy(tmp_path_factory.mktemp("locked") / "home")
    arguments = [sys.executable, "-c", HOLD, str(home.path / "warehouse.duckdb")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with home.start("run", "--source", other_weather.folder) as run:
            yield home, holder, run
            run.kill()
        holder.communicate()


def test_locked_warehouse(
    locked_out: tuple[Weather, subprocess.Popen[str], subprocess.Popen[str]], other_weather: Sample
) -> None:
    home, holder, run = locked_out
    out, err = run.communicate(timeout=PATIENCE_SECONDS)
    told = error_line(subprocess.CompletedProcess(run.args, run.returncode, out, err))

    assert "warehouse.duckdb: the warehouse file is locked by" in told
    assert f"PID {holder.pid}" in told
    assert "Close that program" in told
    holder.communicate()
    assert rounded(home.answers()) == other_weather.answers  # the lake does without the warehouse
    home.succeed("run", "--source", other_weather.folder)
    assert home.ratings_everywhere() == {RATINGS}


# --- Settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"source": "/no/such/folder"}, "RATINGS_SOURCE is '/no/such/folder': give sample, kaggle, or a directory"),
        (
            {"warehouse": "mysql://user:secret@host/db"},
            "RATINGS_WAREHOUSE is 'mysql://…': the address holds a password",
        ),
        ({"engine": "flink"}, "RATINGS_ENGINE is 'flink'"),
        ({"bayesian_weight": "-1"}, "RATINGS_BAYESIAN_WEIGHT is '-1'"),
        ({"amazon_files": "Video/.."}, "RATINGS_AMAZON_FILES is 'Video/..'"),
        ({"memory_limit": "much"}, "RATINGS_MEMORY_LIMIT is 'much'"),
        ({"sorce": "sample"}, "RATINGS_SORCE is not a setting. Did you mean RATINGS_SOURCE?"),
    ],
)
def test_wrong_setting(settings: dict[str, str], told: str, tmp_path: Path):
    home = Home(tmp_path / "home")
    assert told in home.here.fail("run", **settings)
    assert not home.path.exists()


def test_no_answers_yet(tmp_path: Path):
    assert "not materialised yet" in Home(tmp_path / "home").here.fail("answers")
