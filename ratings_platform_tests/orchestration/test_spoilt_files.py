"""Files that cannot be used, and lines that cannot: told with what to do, and what was there before stays.

Belongs here: each fault that a delivery of the market study may have, on its way through the study. Does not belong
here: how readers tell them (`studies/market_study/test_readers.py`), and what the command says (`e2e/test_faults.py`).
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from ratings_platform.orchestration.failures import reason
from ratings_platform.settings import load_settings
from ratings_platform.studies.market_study.study import STUDY
from ratings_platform_tests.conftest import Built, environment
from ratings_platform_tests.orchestration.stand import Stand, materialised

pytestmark = pytest.mark.integration

RATINGS, TITLES = "combined_data_3.txt", "movie_titles.csv"
REVIEWS = "amazon_reviews_us_Video_v1_00.tsv"
BRONZE = ("bronze/movies_netflix", "bronze/ratings_netflix", "bronze/ratings_amazon")


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
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A delivery of other ratings, so that what it changes can be seen."""
    folder = tmp_path_factory.mktemp("other") / "delivery"
    STUDY.write_sample(folder, ratings=1000, seed=2)
    return folder


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_spoilt_file_is_refused(
    fault: Fault, new_stand: Callable[..., Stand], stand: Stand, other: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(other, tmp_path / "delivery"))
    fault.spoil(folder)
    kept = [table.path for table in STUDY.tables.values() if table.layer not in ("raw", "bronze")]
    before = {path: stand.paths(path) for path in kept}

    stand = new_stand(source=folder)
    result = stand.run()

    [told] = {reason(event) for event in result.all_events if event.is_step_failure}
    assert all(words in told for words in fault.told), told
    assert "\n" not in told
    # What does not follow from any file is made anew.
    assert {key for key in materialised(result) if key.partition("/")[0] not in ("raw", "bronze")} == {
        "gold/dim_time",
        "warehouse/dim_time",
    }
    assert {path: stand.paths(path) for path in kept if path != "gold/dim_time"} == {
        path: files for path, files in before.items() if path != "gold/dim_time"
    }
    assert not [*tmp_path.parent.rglob("escaped.txt")]


# --- Lines that cannot be used ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_bad_lines(built: Built, wired: dg.Definitions, tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """A home after the bronze layer was made of the good files with some lines added."""
    place = tmp_path_factory.mktemp("lines")
    folder = Path(shutil.copytree(built.source, place / "delivery"))
    for name, line, text, _ in BAD_LINES:
        content = (folder / name).read_bytes().split(b"\n")
        taken = content[1].partition(b",")[0]
        content.insert(line - 1, text.encode().replace(b"TAKEN", taken))
        (folder / name).write_bytes(b"\n".join(content))
    home = Path(shutil.copytree(built.home, place / "home"))
    with environment(place, home=home, source=folder):
        stand = Stand(load_settings(), wired)
    assert stand.run(*(f"raw/{vendor.name}" for vendor in STUDY.vendors), *BRONZE, "bronze/rejects").success
    return stand


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
def test_bad_line_is_rejected(bad: tuple[str, int, str, str], with_bad_lines: Stand) -> None:
    rows = with_bad_lines.rows("bronze/rejects").to_pylist()
    rejects = {(row["file"], row["line"]): (row["reason"], row["raw"]) for row in rows}
    file, line, text, why = bad
    assert rejects[file, line][0] == why
    assert rejects[file, line][1].endswith(text.removeprefix("TAKEN"))
    assert len(rows) == len(BAD_LINES)


def test_bad_lines_change_no_row_that_others_follow_from(with_bad_lines: Stand, stand: Stand) -> None:
    for path in BRONZE:
        found, wanted = (sorted(map(str, one.rows(path).to_pylist())) for one in (with_bad_lines, stand))
        assert found == wanted
