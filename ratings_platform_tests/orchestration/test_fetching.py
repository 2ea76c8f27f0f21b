"""Vendor files from Kaggle into the raw layer, from a Kaggle on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kagglesdk import kaggle_env

from ratings_platform.orchestration.fetching import fetch
from ratings_platform.orchestration.resources import Platform
from ratings_platform.settings import load_settings
from ratings_platform.studies.market_study.settings import MarketStudySettings
from ratings_platform.studies.market_study.study import STUDY
from ratings_platform_tests.sources.kaggle_server import KaggleServer

pytestmark = pytest.mark.integration


def test_signs_in_to_kaggle_with_the_login_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor, settings = STUDY.vendors[0], MarketStudySettings()
    names = vendor.layouts(settings)[0]
    os.environ |= {"HOME": str(tmp_path), "KAGGLE_USERNAME": "ann", "KAGGLE_KEY": "s3cret-key"}
    with KaggleServer(dataset=vendor.kaggle, files=dict.fromkeys(names, b"1:\n")).running() as server:
        monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.PROD, server.address)
        said: list[str] = []
        platform = Platform.of(load_settings(source="kaggle"))
        files = fetch(STUDY, vendor, settings, platform, said.append, said.append)
    assert {file.name for file in files} == set(names)
    assert {file.origin for file in files} == {f"kaggle:{vendor.kaggle}"}
    assert "s3cret" not in "".join(said)
