"""Vendor files into the raw layer: from folders in which the platform writes too, from homes that move, from Kaggle."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from kagglesdk import kaggle_env

from ratings_platform.cli import _refuse_foreign_data
from ratings_platform.orchestration.fetching import Fetching
from ratings_platform.orchestration.resources import Platform
from ratings_platform.schema.errors import PlatformError, SourceError
from ratings_platform.schema.study import VendorFiles
from ratings_platform.settings import load_settings
from ratings_platform.sources.files import RawFile, find_files, is_unchanged
from ratings_platform.studies.market_study.settings import MarketStudySettings
from ratings_platform.studies.market_study.study import STUDY
from ratings_platform_tests.conftest import Built
from ratings_platform_tests.sources.kaggle_server import KaggleServer

pytestmark = pytest.mark.integration


NETFLIX, AMAZON = STUDY.vendors


def fetched(home: Path, *vendors: VendorFiles, **settings: Any) -> list[RawFile]:
    """The files of these vendors, of all without any, as a run with these settings registers them."""
    platform = Platform.of(load_settings(home=home, sample_ratings=500, **settings))
    fetching = Fetching(STUDY, MarketStudySettings(), platform, lambda _: None, lambda _: None)
    return [file for vendor in vendors or STUDY.vendors for file in fetching.fetch(vendor)]


@pytest.fixture
def source(built: Built, tmp_path: Path) -> Path:
    """A vendor's delivery, to change."""
    return Path(shutil.copytree(built.source, tmp_path / "project" / "vendor"))


# --- What the platform itself wrote ---------------------------------------------------------------------------------


@pytest.mark.parametrize("within", ["data", "."], ids=["source_is_home", "home_in_source"])
def test_the_samples_of_a_home_are_no_source(source: Path, within: str) -> None:
    home = source.parent / "data"
    assert len(fetched(home, source="sample")) == 8
    mine = Path(shutil.copytree(source, home, dirs_exist_ok=True))
    shutil.rmtree(source)
    found = fetched(home, source=str(source.parent / within))
    assert {Path(file.container).parent for file in found} == {mine}
    for file in mine.glob("amazon*"):
        file.unlink()
    with pytest.raises(SourceError, match=r"holds no file named amazon.*; not looked at, since the platform itself"):
        fetched(home, source=str(source.parent / within))


def test_a_home_of_other_settings_is_no_source(source: Path) -> None:
    fetched(source / "other" / "home", source="sample")
    found = fetched(source.parent / "data", source=str(source))
    assert {Path(file.container).parent for file in found} == {source}


def test_a_sample_is_not_mixed_with_a_delivery_in_silence(source: Path) -> None:
    """Samples of earlier releases are not marked."""
    made = source / "other"
    STUDY.write_sample(made, ratings=500, seed=3)
    with pytest.raises(SourceError, match=f"{source}/combined_data_1.txt: is not the same file as {made}/"):
        fetched(source.parent / "data", source=str(source))


def test_another_vendors_missing_file_is_told_before_anything_is_registered(source: Path) -> None:
    (source / "amazon_reviews_us_Video_v1_00.tsv").unlink()
    platform = Platform.of(load_settings(home=source.parent / "data", source=str(source)))
    fetching = Fetching(STUDY, MarketStudySettings(), platform, lambda _: None, lambda _: None)
    with pytest.raises(SourceError, match=r"amazon_reviews_us_Video_v1_00\.tsv is missing"):
        fetching.fetch(NETFLIX, [AMAZON])
    assert platform.raw.load(NETFLIX.name) == []


# --- Homes that move ------------------------------------------------------------------------------------------------


def test_a_home_that_moves_takes_its_files_along(tmp_path: Path) -> None:
    old, new = tmp_path / "old" / "data", tmp_path / "new" / "data"
    before = fetched(old, source="sample")
    old.parent.rename(new.parent)
    raw = Platform.of(load_settings(home=new)).raw
    files = [RawFile.from_dict(file) for vendor in STUDY.vendors for file in raw.load(vendor.name)]
    assert [file.name for file in files] == [file.name for file in before]
    assert all(is_unchanged(file) for file in files)
    assert {file.origin for file in files} == {"sample:500-ratings-seed-1"}


def test_the_demo_knows_a_sample_in_a_home_that_moved(tmp_path: Path, source: Path) -> None:
    old, new = tmp_path / "old" / "data", tmp_path / "new" / "data"
    fetched(old, source="sample")
    old.parent.rename(new.parent)
    _refuse_foreign_data(STUDY, load_settings(home=new))
    fetched(new, source=str(source))
    with pytest.raises(PlatformError, match="the lake holds data that is no sample"):
        _refuse_foreign_data(STUDY, load_settings(home=new))


# --- Kaggle ---------------------------------------------------------------------------------------------------------


def test_signs_in_to_kaggle_with_the_login_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor, settings = STUDY.vendors[0], MarketStudySettings()
    names = vendor.layouts(settings)[0]
    os.environ |= {"HOME": str(tmp_path), "KAGGLE_USERNAME": "ann", "KAGGLE_KEY": "s3cret-key"}
    with KaggleServer(dataset=vendor.kaggle, files=dict.fromkeys(names, b"1:\n")).running() as server:
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.address)
        said: list[str] = []
        platform = Platform.of(load_settings(source="kaggle"))
        files = Fetching(STUDY, settings, platform, said.append, said.append).fetch(vendor)
    assert {file.name for file in files} == set(names)
    assert {file.origin for file in files} == {f"kaggle:{vendor.kaggle}"}
    assert "s3cret" not in "".join(said)
    with pytest.raises(SourceError, match=r"the platform itself wrote it: .*/data/lake"):
        find_files(tmp_path, names)


def test_what_kaggle_lacks_of_another_vendor_is_told_before_anything_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = MarketStudySettings()
    os.environ |= {"HOME": str(tmp_path), "KAGGLE_USERNAME": "ann", "KAGGLE_KEY": "s3cret-key"}
    files = dict.fromkeys(AMAZON.layouts(settings)[0][1:], b"1:\n")
    with KaggleServer(dataset=AMAZON.kaggle, files=files).running() as server:
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.address)
        platform = Platform.of(load_settings(source="kaggle"))
        fetching = Fetching(STUDY, settings, platform, lambda _: None, lambda _: None)
        with pytest.raises(PlatformError, match=r"has no file amazon_reviews_us_Video_v1_00\.tsv"):
            fetching.fetch(NETFLIX, [AMAZON])
    assert not Path(platform.fetched_folder, NETFLIX.name).exists()
