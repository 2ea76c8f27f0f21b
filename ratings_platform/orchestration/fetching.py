"""Vendor files into the raw layer, from where the settings say.

Belongs here: choosing among a directory, Kaggle and a sample, and saving the manifest. Does not belong here: how each
of them works.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ratings_platform.orchestration.ingestion import delivery
from ratings_platform.orchestration.resources import Platform
from ratings_platform.schema.study import Study, VendorFiles
from ratings_platform.sources.files import FoundFile, RawFile, register

Log = Callable[[str], None]


def fetch(study: Study, vendor: VendorFiles, settings: Any, platform: Platform, log: Log) -> list[RawFile]:
    """Find or fetch a vendor's files, register them, and save the manifest.

    Files whose path, size and time of change are registered already are not read again.
    """
    found = _found(study, vendor, settings, platform, log)
    previous = [RawFile.from_dict(file) for file in platform.raw.load(vendor.name)]
    files = register(found, previous)
    platform.raw.save(vendor.name, [file.to_dict() for file in files])
    log(f"{vendor.name}: {len(files)} files registered")
    return files


def _found(study: Study, vendor: VendorFiles, settings: Any, platform: Platform, log: Log) -> list[FoundFile]:
    if platform.source == "kaggle":
        from ratings_platform.sources import kaggle

        folder = platform.raw.folder(vendor.name)
        kaggle.fetch(vendor.kaggle, vendor.layouts(settings)[0], folder)
        return delivery(vendor, settings, folder, f"kaggle:{vendor.kaggle}")
    if platform.source == "sample":
        return delivery(vendor, settings, ensure_sample(study, platform, log))
    return delivery(vendor, settings, Path(platform.source))


def ensure_sample(study: Study, platform: Platform, log: Log, progress: Callable[[int], None] | None = None) -> Path:
    """The folder of the sample that the settings describe, made if it is not there; whole or not at all."""
    folder = Path(platform.sample_folder)
    if not folder.exists():
        log(f"making a sample of {platform.sample_ratings:,} ratings in {folder}")
        unfinished = folder.with_name(f"{folder.name}.part-{os.getpid()}")
        shutil.rmtree(unfinished, ignore_errors=True)
        study.write_sample(unfinished, ratings=platform.sample_ratings, seed=platform.sample_seed, progress=progress)
        unfinished.rename(folder)
    return folder
