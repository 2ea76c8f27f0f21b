"""Samples and homes with a good run in them, made once for all end-to-end tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from ratings_platform_tests.conftest import SAMPLE_RATINGS as RATINGS
from ratings_platform_tests.conftest import SAMPLE_SEED, Built
from ratings_platform_tests.e2e import independent
from ratings_platform_tests.e2e.support import Home, Rows, Weather, rounded
from ratings_platform_tests.made_up import oracle

# Enough for each layer to take some time and space.
LARGE, SEED = 60_000, 3


@dataclass(frozen=True)
class Sample:
    """A folder of vendor files, the answers that they hold, and what was printed when they were made."""

    folder: Path
    answers: Rows
    printed: str = ""


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("e2e")


# --- The market study ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def clean(built: Built) -> Sample:
    return Sample(built.source, rounded(independent.answers(built.source)))


@pytest.fixture(scope="session")
def dirty(place: Path, clean: Sample) -> Sample:
    """The clean sample's lines and planted ones; its answers are those of the clean one's files."""
    folder = place / "dirty"
    options = ("--ratings", RATINGS, "--seed", SAMPLE_SEED, "--dirty")
    return Sample(folder, clean.answers, Home(place / "unused").here.succeed("sample", folder, *options))


@pytest.fixture(scope="session")
def other(place: Path) -> Sample:
    """A sample of other ratings, so that what it changes can be seen."""
    folder = place / "other"
    printed = Home(place / "unused").here.succeed("sample", folder, "--ratings", RATINGS, "--seed", 2)
    return Sample(folder, rounded(independent.answers(folder)), printed)


@pytest.fixture(scope="session")
def good_home(built: Built) -> Home:
    """A home after a good run over the clean sample. Nobody changes it: tests work on copies."""
    return Home(built.home)


# --- The made-up study, for faults and places that are the same for all studies --------------------------------------


@pytest.fixture(scope="session")
def weather(weather_built: Built) -> Sample:
    return Sample(weather_built.source, rounded(oracle.answers(weather_built.source)))


@pytest.fixture(scope="session")
def other_weather(place: Path) -> Sample:
    return _weather(place / "other-weather", RATINGS, 2)


@pytest.fixture(scope="session")
def large_weather(place: Path) -> Sample:
    return _weather(place / "large-weather", LARGE, SEED)


def _weather(folder: Path, ratings: int, seed: int) -> Sample:
    home = Weather(folder.with_name("unused"))
    printed = home.here.succeed("sample", folder, "--ratings", ratings, "--seed", seed)
    return Sample(folder, rounded(oracle.answers(folder)), printed)


@pytest.fixture
def weather_home(weather_built: Built, tmp_path: Path) -> Weather:
    """A home after a good run over the small sample, to change."""
    return Weather(weather_built.home).copy(tmp_path / "home")
