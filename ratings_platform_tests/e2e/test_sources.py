"""From vendor files of every kind to answers, compared with an independent computation from the clean files."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import dagster as dg
import pytest

from ratings_platform.formats.lines import is_utf8
from ratings_platform.settings import load_settings
from ratings_platform.studies.market_study.reasons import Reason
from ratings_platform_tests.conftest import environment
from ratings_platform_tests.e2e.conftest import Sample
from ratings_platform_tests.e2e.support import Home, rounded, table_rows
from ratings_platform_tests.orchestration.stand import Stand

pytestmark = pytest.mark.e2e

RAW = ("raw/netflix_prize", "raw/amazon_reviews")
BRONZE = ("bronze/movies_netflix", "bronze/ratings_netflix", "bronze/ratings_amazon", "bronze/rejects")


def test_clean_files_are_plain_sources(good_home: Home, clean: Sample):
    assert rounded(good_home.answers()) == clean.answers
    assert good_home.lake("bronze/rejects") == []
    assert good_home.here.succeed("rejects").strip() == "no row was rejected"


def test_samples_answer_differently(clean: Sample, other: Sample):
    """Else the tests in which one follows the other could not fail."""
    same = {name for name, rows in clean.answers.items() if rows == other.answers[name]}
    assert len(clean.answers) == 18
    assert len(same) < 6


# --- A dirty sample --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dirty_home(place: Path, dirty: Sample, wired: dg.Definitions) -> Home:
    home = Home(place / "dirty_home")
    with environment(place, home=home.path, source=dirty.folder):
        assert Stand(load_settings(), wired).run().success
    return home


def test_dirty_files_give_the_answers_of_the_clean_ones(dirty_home: Home, dirty: Sample):
    assert rounded(dirty_home.here.answers()) == dirty.answers


def test_planted_faults_are_the_rejects(dirty_home: Home, dirty: Sample):
    planted = [
        (file, reason, int(rows)) for file, reason, rows in table_rows(dirty.printed, ["file", "reason", "rows"])
    ]
    found = Counter(dirty_home.lake("bronze/rejects", "file, reason"))
    told = table_rows(dirty_home.here.succeed("rejects", "--rows", 0), ["table", "file", "reason", "rows"])

    assert {reason for _, reason, _ in planted} == set(Reason) - {
        Reason.QUOTES
    }  # of files whose titles a CSV writer quoted
    assert sorted((*key, rows) for key, rows in found.items()) == sorted(planted)
    assert sorted((file, reason, int(rows)) for _, file, reason, rows in told) == sorted(planted)


def test_rejects_name_the_planted_lines(dirty_home: Home, clean: Sample, dirty: Sample):
    planted = {
        (path.name, number): line
        for path in dirty.folder.iterdir()
        for number, line in _added_lines(clean.folder / path.name, path)
        if not line.startswith("3000")  # a film header that is well formed, of a film that is unknown
    }
    found = {(file, line): raw for file, line, raw in dirty_home.lake("bronze/rejects", "file, line, raw")}
    assert found == planted


def _added_lines(clean: Path, dirty: Path) -> Iterator[tuple[int, str]]:
    """Numbers and text of the lines that the dirty file has and the clean one has not, in the order of the latter."""
    expected = iter([*_lines(clean), None])
    wanted = next(expected)
    for number, line in enumerate(_lines(dirty), 1):
        if line == wanted:
            wanted = next(expected)
        else:
            yield number, line
    assert wanted is None


def _lines(path: Path) -> list[str]:
    """As rejects show them: what is no text, and NUL, as U+FFFD; each title in UTF-8 if it can be."""
    lines = [line.removesuffix(b"\r").replace(b"\0", "\ufffd".encode()) for line in path.read_bytes().split(b"\n")]
    if path.name != "movie_titles.csv":
        return [line.decode(errors="replace") for line in lines]
    return [line.decode("utf-8" if is_utf8(line) else "latin-1") for line in lines]


# --- Packed, nested, with other line ends, in other files ------------------------------------------------------------


def _zipped(files: list[Path], to: Path) -> None:
    """As Kaggle packs them: one archive for Netflix, one for each file of Amazon."""
    with zipfile.ZipFile(to / "netflix-prize-data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            if not file.name.startswith("amazon"):
                archive.write(file, f"download/training_set/{file.name}")
        archive.writestr("README", "about the data")
    for file in files:
        if file.name.startswith("amazon"):
            with zipfile.ZipFile(to / f"{file.name}.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                archive.write(file, file.name)


def _gzipped_in_folders(files: list[Path], to: Path) -> None:
    for number, file in enumerate(files):
        folder = to / f"delivery {number % 3}" / "inner"
        folder.mkdir(parents=True, exist_ok=True)
        with gzip.open(folder / f"{file.name}.gz", "wb") as packed:
            packed.write(file.read_bytes())
    (to / "notes.txt").write_text("1:\nnot a delivery\n")


def _with_crlf(files: list[Path], to: Path) -> None:
    for file in files:
        (to / file.name).write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))


def _one_file_a_film(files: list[Path], to: Path) -> None:
    for file in files:
        if not file.name.startswith("combined_data_"):
            shutil.copy(file, to)
            continue
        block: list[str] = []
        for line in chain(file.read_text().splitlines(), ["0:"]):
            if line.endswith(":") and block:
                (to / f"mv_{int(block[0][:-1]):07d}.txt").write_text("\n".join(block) + "\n")
                block = []
            if line:
                block.append(line)


def _as_first_delivered(files: list[Path], to: Path) -> None:
    """Netflix's archive within an archive; of Amazon's, what a browser leaves that unpacks them on the way."""
    films = to.parent / "training_set"
    films.mkdir()
    _one_file_a_film([file for file in files if file.name.startswith("combined_data_")], films)
    (titles,) = (file for file in files if file.name == "movie_titles.csv")
    with tarfile.open(to.parent / "training_set.tar", "w") as inner:
        inner.add(films, "training_set")
    with tarfile.open(to / "nf_prize_dataset.tar.gz", "w:gz") as outer:
        outer.add(inner.name, "download/training_set.tar")
        outer.add(titles, "download/movie_titles.txt")
        for name in ("probe.txt", "qualifying.txt"):
            (to.parent / name).write_text("1:\n30878,2005-12-19\n")
            outer.add(to.parent / name, f"download/{name}")
    for file in files:
        if file.name.startswith("amazon"):
            shutil.copy(file, to / f"{file.name}.gz")


@pytest.fixture(scope="module")
def other_home(good_home: Home, other: Sample, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home after a run over a second delivery, which comes zipped."""
    home = good_home.copy(tmp_path_factory.mktemp("zipped") / "home")
    folder = tmp_path_factory.mktemp("delivery")
    _zipped(sorted(other.folder.iterdir()), folder)
    home.succeed("run", "--source", folder)
    return home


def test_zipped_files_take_the_place_of_those_before(other_home: Home, other: Sample):
    assert rounded(other_home.answers()) == other.answers
    assert other_home.lake("bronze/rejects") == []
    assert not [*other_home.path.glob("scratch/*")]


@pytest.mark.parametrize(
    "pack",
    [_zipped, _gzipped_in_folders, _with_crlf, _one_file_a_film, _as_first_delivered],
    ids=lambda f: f.__name__,
)
def test_files_packed_or_written_otherwise_give_the_same_answers(
    pack: Callable[[list[Path], Path], None],
    other: Sample,
    other_home: Home,
    new_stand: Callable[..., Stand],
    tmp_path: Path,
):
    """The same rows in bronze, from which all else follows; that they give the answers is seen of zipped ones."""
    folder = tmp_path / "delivery"
    folder.mkdir()
    pack(sorted(other.folder.iterdir()), folder)

    stand = new_stand(source=folder)
    assert stand.run(*RAW, *BRONZE).success

    found = Home(stand.settings.home)
    for table in BRONZE:
        assert sorted(found.lake(table), key=repr) == sorted(other_home.lake(table), key=repr), table
