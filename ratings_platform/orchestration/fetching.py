"""Vendor files into the raw layer, from where the settings say.

Belongs here: choosing among a directory, Kaggle and a sample, and saving the manifest. Does not belong here: how each
of them works.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ratings_platform.orchestration.ingestion import delivery
from ratings_platform.orchestration.resources import Platform
from ratings_platform.schema.study import Study, VendorFiles
from ratings_platform.settings import kaggle_login
from ratings_platform.sources.files import FoundFile, RawFile, mark, register, require_unchanged

Log = Callable[[str], None]


@dataclass(frozen=True)
class Fetching:
    """Brings a study's deliveries into the raw layer. `log` is told of what is done, `murmur` of how far it is."""

    study: Study
    settings: Any
    platform: Platform
    log: Log
    murmur: Log

    def fetch(self, vendor: VendorFiles, others: Sequence[VendorFiles] = ()) -> list[RawFile]:
        """Find or fetch a vendor's files, register them, and save the manifest.

        Raises before anything is read or fetched when a file is missing, be it of this vendor or of the `others` that
        the same run is to have. Files whose path, size and time of change are registered already are not read again.
        """
        for other in others:
            self._require(other)
        mark(Path(self.platform.kept_folder))  # for runs with other settings
        found = self._found(vendor)
        raw = self.platform.raw
        files = register(found, [RawFile.from_dict(file) for file in raw.load(vendor.name)])
        self._keep(vendor, files)
        raw.save(vendor.name, [file.to_dict() for file in files])
        self.log(f"{vendor.name}: {len(files)} files registered, from {_places(files)}")
        return files

    def _require(self, vendor: VendorFiles) -> None:
        if self.platform.source == "kaggle":
            from ratings_platform.sources import kaggle

            kaggle.require(vendor.kaggle, vendor.layouts(self.settings)[0], login=kaggle_login())
        elif self.platform.source != "sample":
            delivered(vendor, self.settings, self.platform)

    def _found(self, vendor: VendorFiles) -> list[FoundFile]:
        if self.platform.source == "kaggle":
            return self._from_kaggle(vendor)
        if self.platform.source == "sample":
            folder = ensure_sample(self.study, self.platform, self.log)
            return delivery(vendor, self.settings, folder, f"sample:{folder.name}")
        return delivered(vendor, self.settings, self.platform)

    def _from_kaggle(self, vendor: VendorFiles) -> list[FoundFile]:
        from ratings_platform.sources import kaggle

        folder = Path(self.platform.fetched_folder, vendor.name)
        names, progress = vendor.layouts(self.settings)[0], _shares(_now_and_then(self.murmur))
        kaggle.fetch(vendor.kaggle, names, folder, login=kaggle_login(), progress=progress)
        return delivery(vendor, self.settings, folder, f"kaggle:{vendor.kaggle}")

    def _keep(self, vendor: VendorFiles, files: Sequence[RawFile]) -> None:
        """Have the raw layer keep what it must keep of the files themselves, before the manifest speaks of them."""
        raw, progress = self.platform.raw, _shares(_now_and_then(self.murmur))
        for file in {file.container: file for file in files}.values():
            raw.keep(vendor.name, Path(file.container), file.sha256, partial(require_unchanged, file), progress)
        raw.drop_unfinished()


def delivered(vendor: VendorFiles, settings: Any, platform: Platform) -> list[FoundFile]:
    """A vendor's files in the folder or archive that the settings name, what the platform itself wrote left out."""
    return delivery(vendor, settings, Path(platform.source), ours=[Path(folder) for folder in platform.own_folders])


def _places(files: Sequence[RawFile]) -> str:
    """Archives, and the folders of plain files."""
    places = dict.fromkeys(file.container if file.member else str(Path(file.container).parent) for file in files)
    first, *others = places
    return f"{first} and {len(others)} more" if others else first


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
    mark(folder)
    return folder
