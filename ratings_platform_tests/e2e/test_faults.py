"""Faults of sources, settings, disk and warehouse: told in one line, and nothing is lost by them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ratings_platform_tests.e2e.conftest import RATINGS as RATINGS_MADE
from ratings_platform_tests.e2e.conftest import Sample
from ratings_platform_tests.e2e.support import PATIENCE_SECONDS, Home, error_line, rounded

pytestmark = pytest.mark.e2e

RATINGS, TITLES = "combined_data_3.txt", "movie_titles.csv"
REVIEWS = "amazon_reviews_us_Video_v1_00.tsv"


# --- A whole file that cannot be used --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """How a delivery is spoilt, and what the one line about it must hold."""

    name: str
    spoil: Callable[[Path], object]
    told: tuple[str, ...]


def _write(name: str, change: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(change((folder / name).read_bytes()))


def _zip(folder: Path, *, within: str = "") -> Path:
    """Netflix's files in an archive, in place of the plain ones."""
    path = folder / "netflix.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in [*folder.glob("*.txt"), folder / TITLES]:
            archive.write(file, within + file.name)
            file.unlink()
    return path


def _truncated_zip(folder: Path) -> None:
    path = _zip(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _damaged_zip(folder: Path) -> None:
    """Whole by its directory, broken in the middle of a member."""
    path = _zip(folder)
    content = bytearray(path.read_bytes())
    content[3_000:3_100] = bytes(100)
    path.write_bytes(content)


def _escaping_zip(folder: Path) -> None:
    with zipfile.ZipFile(_zip(folder), "a") as archive:
        archive.writestr("../../escaped.txt", "1:\n")


def _lines(change: Callable[[list[bytes]], list[bytes]]) -> Callable[[bytes], bytes]:
    return lambda content: b"\n".join(change(content.split(b"\n")))


def _utf16(content: bytes) -> bytes:
    return content.decode("latin-1").encode("utf-16")


FAULTS = [
    Fault("missing_file", lambda folder: (folder / RATINGS).unlink(), (RATINGS, "is missing", "Put the named files")),
    Fault("empty_file", _write(RATINGS, lambda _: b""), (RATINGS, "empty", "Fetch it again")),
    Fault("truncated_zip", _truncated_zip, ("netflix.zip", "truncated or damaged", "Fetch it again")),
    Fault("damaged_zip", _damaged_zip, ("netflix.zip", "truncated or damaged", "Fetch it again")),
    Fault("zip_with_a_path_outside", _escaping_zip, ("netflix.zip", "leads outside", "pack it anew")),
    Fault("utf16_ratings", _write(RATINGS, _utf16), (f"{RATINGS}, line 1", "UTF-16", "Save it as UTF-8")),
    Fault(
        "other_columns",
        _write(REVIEWS, lambda content: content.replace(b"\tvine\t", b"\tvines\t", 1)),
        (f"{REVIEWS}, line 1", "missing: vine", "unknown: vines", "Fetch the vendor's file again"),
    ),
    Fault(
        "fewer_columns",
        _write(REVIEWS, _lines(lambda lines: [line.rpartition(b"\t")[0] for line in lines])),
        (f"{REVIEWS}, line 1", "missing: review_date", "Fetch the vendor's file again"),
    ),
    Fault(
        "titles_for_ratings",
        lambda folder: shutil.copy(folder / TITLES, folder / RATINGS),
        (f"{RATINGS}, line 1", "looks like Netflix's movie_titles.csv", "Put the vendor's own file"),
    ),
    Fault(
        "amazon_for_netflix",
        lambda folder: shutil.copy(folder / REVIEWS, folder / TITLES),
        (f"{TITLES}, line 1", "looks like an Amazon review file", "Put the vendor's own file"),
    ),
]


@pytest.fixture(scope="module")
def tried_home(good_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which one spoilt delivery after the other is tried."""
    return good_home.copy(tmp_path_factory.mktemp("tried") / "home")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_spoilt_file_is_refused(fault: Fault, tried_home: Home, clean: Sample, other: Sample, tmp_path: Path):
    folder = Path(shutil.copytree(other.folder, tmp_path / "delivery"))
    fault.spoil(folder)

    told = tried_home.fail("run", "--source", folder)

    assert all(words in told for words in fault.told), told
    assert rounded(tried_home.answers()) == clean.answers
    assert not [*tried_home.path.glob("scratch/*")]
    assert not [*tmp_path.parent.rglob("escaped.txt")]


def test_mended_files_are_taken_after_all(tried_home: Home, other: Sample):
    tried_home.succeed("run", "--source", other.folder)
    assert rounded(tried_home.answers()) == other.answers
    assert tried_home.lake("bronze/rejects") == []


# --- Lines that cannot be used ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home_with_bad_lines(good_home: Home, clean: Sample, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home after a run over the clean sample with some lines added."""
    place = tmp_path_factory.mktemp("lines")
    folder = Path(shutil.copytree(clean.folder, place / "delivery"))
    for name, line, text, _ in BAD_LINES:
        content = (folder / name).read_bytes().split(b"\n")
        taken = content[1].partition(b",")[0]
        content.insert(line - 1, text.encode().replace(b"TAKEN", taken))
        (folder / name).write_bytes(b"\n".join(content))
    home = good_home.copy(place / "home")
    home.succeed("run", "--source", folder)
    return home


# File, line (of the file as it is delivered), text, reason. Those of one file stand in the order of their lines.
BAD_LINES = [
    (TITLES, 1, "MovieID,YearOfRelease,Title", "header line where none belongs"),
    (TITLES, 7, "TAKEN,1999,Again", "film id stands earlier in the file"),
    (RATINGS, 1, "1488844,3,2005-09-06", "rating before any film header"),
    (RATINGS, 4, "1488844,3,2005-02-29", "date is missing or impossible"),
    (RATINGS, 6, "1488844,0,2005-09-06", "rating is not a whole number from 1 to 5"),
    (RATINGS, 7, "1488844,6,2005-09-06", "rating is not a whole number from 1 to 5"),
    (RATINGS, 9, "1488844,3", "wrong number of fields"),
]


@pytest.mark.parametrize("bad", BAD_LINES, ids=lambda bad: bad[3].replace(" ", "_") + f"_{bad[1]}")
def test_bad_line_is_rejected(bad: tuple[str, int, str, str], home_with_bad_lines: Home):
    rejects = {(file, line): (reason, raw) for file, line, reason, raw in _rejects(home_with_bad_lines)}
    file, line, text, reason = bad
    assert rejects[file, line][0] == reason
    assert rejects[file, line][1].endswith(text.removeprefix("TAKEN"))


def test_bad_lines_change_no_answer(home_with_bad_lines: Home, clean: Sample):
    assert len(_rejects(home_with_bad_lines)) == len(BAD_LINES)
    assert rounded(home_with_bad_lines.answers()) == clean.answers


def _rejects(home: Home) -> list[tuple]:
    return home.lake("bronze/rejects", "file, line, reason, raw")


# --- The warehouse ---------------------------------------------------------------------------------------------------

HOLD = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.read()"


@pytest.fixture(scope="module", autouse=True)
def locked_out(
    good_home: Home, other: Sample, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Home, subprocess.Popen[str], subprocess.Popen[str]]]:
    """A home, another program that has its warehouse open, and a run that waits for it while other tests go on."""
    home = good_home.copy(tmp_path_factory.mktemp("locked") / "home")
    arguments = [sys.executable, "-c", HOLD, str(home.path / "warehouse.duckdb")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with home.start("run", "--source", other.folder) as run:
            yield home, holder, run
            run.kill()
        holder.communicate()


def test_locked_warehouse(locked_out: tuple[Home, subprocess.Popen[str], subprocess.Popen[str]], other: Sample):
    home, holder, run = locked_out
    out, err = run.communicate(timeout=PATIENCE_SECONDS)
    told = error_line(subprocess.CompletedProcess(run.args, run.returncode, out, err))

    assert "warehouse.duckdb: the warehouse file is locked by" in told
    assert f"PID {holder.pid}" in told
    assert "Close that program" in told
    holder.communicate()
    assert rounded(home.answers()) == other.answers  # the lake does without the warehouse
    home.succeed("run", "--source", other.folder)
    assert home.ratings_everywhere() == {RATINGS_MADE}


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
    assert told in home.fail("run", **settings)
    assert not home.path.exists()


def test_no_answers_yet(tmp_path: Path):
    assert "not materialised yet" in error_line(Home(tmp_path / "home").call("answers"))
