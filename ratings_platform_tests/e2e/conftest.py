"""Samples and a home with a good run in it, made once for all end-to-end tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from ratings_platform_tests.e2e import independent
from ratings_platform_tests.e2e.support import Home, Rows, rounded

RATINGS = 4_000
# Enough for each layer to take some time and space.
LARGE, SEED = 60_000, 3


@dataclass(frozen=True)
class Sample:
    """A folder of vendor files, the answers that they hold, and what was printed when they were made."""

    folder: Path
    answers: Rows
    printed: str


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("e2e")


def _sample(place: Path, name: str, *options: object, ratings: int = RATINGS) -> Sample:
    folder = place / name
    printed = Home(place / "unused").succeed("sample", folder, "--ratings", ratings, *options)
    clean = folder if "--dirty" not in options else place / "clean"
    return Sample(folder, rounded(independent.answers(clean)), printed)


@pytest.fixture(scope="session")
def clean(place: Path) -> Sample:
    return _sample(place, "clean")


@pytest.fixture(scope="session")
def dirty(place: Path, clean: Sample) -> Sample:
    """The clean sample's lines and planted ones; its answers are those of the clean one's files."""
    assert clean.folder.name == "clean"
    return _sample(place, "dirty", "--dirty")


@pytest.fixture(scope="session")
def other(place: Path) -> Sample:
    """A sample of other ratings, so that what it changes can be seen."""
    return _sample(place, "other", "--seed", 2)


@pytest.fixture(scope="session")
def large(place: Path) -> Sample:
    return _sample(place, "large", "--seed", SEED, ratings=LARGE)


@pytest.fixture(scope="session")
def good_home(place: Path, clean: Sample) -> Home:
    """A home after a good run over the clean sample. Nobody changes it: tests work on copies."""
    home = Home(place / "good")
    home.succeed("run", "--source", clean.folder)
    return home


@pytest.fixture
def home(good_home: Home, tmp_path: Path) -> Home:
    """A copy of the good home, to change."""
    return good_home.copy(tmp_path / "home")
