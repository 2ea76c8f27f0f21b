"""Vendor files into the raw layer, from where the settings say.

Belongs here: choosing among a directory, Kaggle and a sample, and saving the manifest. Does not belong here: how each
of them works.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ratings_platform.orchestration.ingestion import delivery
from ratings_platform.orchestration.resources import Platform
from ratings_platform.schema.study import Study, VendorFiles
from ratings_platform.settings import kaggle_login
from ratings_platform.sources.files import FoundFile, RawFile, register, require_unchanged

Log = Callable[[str], None]


def fetch(study: Study, vendor: VendorFiles, settings: Any, platform: Platform, log: Log, murmur: Log) -> list[RawFile]:
    """Find or fetch a vendor's files, register them, and save the manifest.

    Files whose path, size and time of change are registered already are not read again. `log` is told of what is
    done, `murmur`, now and then, of how far it is.
    """
    found = _found(study, vendor, settings, platform, log, _now_and_then(murmur))
    previous = [RawFile.from_dict(file) for file in platform.raw.load(vendor.name)]
    files = register(found, previous)
    _keep(vendor, files, platform, log, _now_and_then(murmur))
    platform.raw.save(vendor.name, [file.to_dict() for file in files])
    log(f"{vendor.name}: {len(files)} files registered")
    return files


def _found(
    study: Study, vendor: VendorFiles, settings: Any, platform: Platform, log: Log, murmur: Log
) -> list[FoundFile]:
    if platform.source == "kaggle":
        from ratings_platform.sources import kaggle

        folder = Path(platform.fetched_folder, vendor.name)
        names, progress = vendor.layouts(settings)[0], _shares(murmur)
        kaggle.fetch(vendor.kaggle, names, folder, login=kaggle_login(), progress=progress)
        return delivery(vendor, settings, folder, f"kaggle:{vendor.kaggle}")
    if platform.source == "sample":
        return delivery(vendor, settings, ensure_sample(study, platform, log))
    return delivery(vendor, settings, Path(platform.source))


def _keep(vendor: VendorFiles, files: Sequence[RawFile], platform: Platform, log: Log, murmur: Log) -> None:
    """Have the raw layer keep what it must keep of the files themselves, before the manifest speaks of them."""
    for file in {file.container: file for file in files}.values():
        check = partial(require_unchanged, file)
        platform.raw.keep(vendor.name, Path(file.container), file.sha256, check, _shares(murmur))
    platform.raw.drop_unfinished()


def _shares(say: Log) -> Callable[[str, int, int], None]:
    """Says how much of a file is done."""
    return lambda name, done, total: say(f"{name}: {done / max(total, 1):.0%} of {total / 2**20:,.0f} MiB")


def _now_and_then(say: Log, seconds: float = 1.0) -> Log:
    """Passes on what comes at least `seconds` after the last that was passed on: each event is stored."""
    last = float("-inf")

    def passing(text: str) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            say(text)

    return passing


def ensure_sample(study: Study, platform: Platform, log: Log, progress: Callable[[int], None] | None = None) -> Path:
    """The folder of the sample that the settings describe, made if it is not there; whole or not at all."""
    folder = Path(platform.sample_folder)
    if not folder.exists():
        log(f"making a sample of {platform.sample_ratings:,} ratings in {folder}")
        unfinished = platform.scratch / folder.name
        study.write_sample(unfinished, ratings=platform.sample_ratings, seed=platform.sample_seed, progress=progress)
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.exists():  # else another run has made the same sample meanwhile
                raise
    return folder
