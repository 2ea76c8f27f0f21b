"""The raw layer's manifests, on disk and on S3."""

from __future__ import annotations

import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ratings_platform.lake.raw import RawStore
from ratings_platform_tests.lake.samples import Lake

OLD = [{"name": 'Łódź\'s "file".csv', "bytes": 3, "container": "/vendor/all.zip"}]
NEW = [{"name": "other.csv", "bytes": 4, "container": "/vendor/other.csv"}]


@pytest.fixture
def store(lake: Lake, tmp_path: Path) -> RawStore:
    return RawStore(lake.storage, tmp_path / "home")


def test_a_vendor_without_delivery_has_no_files(store: RawStore) -> None:
    assert store.load("vendor") == []


def test_what_was_saved_last_is_loaded(store: RawStore, lake: Lake) -> None:
    store.save("vendor", OLD)
    assert store.manifest_uri("vendor") == f"{lake.root}/raw/vendor.json"
    assert store.load("vendor") == OLD
    store.save("vendor", NEW)
    assert (store.load("vendor"), store.load("other")) == (NEW, [])


def test_a_manifest_that_could_not_be_written_leaves_the_last_one(store: RawStore, lake: Lake) -> None:
    store.save("vendor", OLD)
    with pytest.raises(TypeError):
        store.save("vendor", [{"name": object(), "container": "/vendor/a"}])
    # A writer killed before its last step has left this much.
    lake.storage.replace("raw/vendor.json.part", b"[{")
    assert store.load("vendor") == OLD
    store.save("vendor", NEW)
    assert store.load("vendor") == NEW


def test_equal_deliveries_give_equal_bytes(store: RawStore, lake: Lake) -> None:
    store.save("vendor", [{"a": 1, "container": "/b"}])
    first = lake.storage.read("raw/vendor.json")
    store.save("vendor", [{"container": "/b", "a": 1}])
    assert lake.storage.read("raw/vendor.json") == first


@pytest.mark.unit
def test_a_manifest_is_replaced_never_rewritten(disk_lake: Lake, tmp_path: Path) -> None:
    """Who has the old file open reads the old content to its end."""
    store = RawStore(disk_lake.root, tmp_path)
    store.save("vendor", OLD)
    manifest = Path(store.manifest_uri("vendor"))
    with manifest.open(encoding="utf-8") as reader:
        before = manifest.read_text(encoding="utf-8")
        store.save("vendor", NEW)
        assert reader.read() == before


def test_readers_find_a_whole_manifest_at_any_time(store: RawStore) -> None:
    long, short = OLD * 300, NEW
    store.save("vendor", long)
    seen: list[int] = []
    reader = threading.Thread(target=lambda: seen.extend(len(store.load("vendor")) for _ in range(40)))
    reader.start()
    while reader.is_alive():
        store.save("vendor", short)
        store.save("vendor", long)
    reader.join()
    assert len(seen) == 40
    assert set(seen) <= {len(long), len(short)}


@pytest.mark.unit
def test_writers_at_once_leave_a_whole_manifest_and_nothing_else(disk_lake: Lake, tmp_path: Path) -> None:
    """Each saves as a run of its own would: none takes away what another is about to publish."""
    store = RawStore(disk_lake.storage, tmp_path)
    written = [[{**NEW[0], "bytes": number}] * (1 + 200 * (number % 2)) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda files: [store.save("vendor", files) for _ in range(25)], written))
    assert store.load("vendor") in written
    assert list(disk_lake.storage.ages("raw")) == ["raw/vendor.json"]


@pytest.mark.unit
def test_what_a_killed_writer_left_goes_after_days(disk_lake: Lake, tmp_path: Path) -> None:
    store = RawStore(disk_lake.storage, tmp_path)
    store.save("vendor", OLD)
    left, fresh, fetching = (
        Path(disk_lake.root, "raw", name) for name in ("vendor.json.a1.part", "vendor.json.b2.part", "vendor/x.part")
    )
    for file, days in ((left, 3), (fresh, 0), (fetching, 3)):
        file.parent.mkdir(exist_ok=True)
        file.touch()
        os.utime(file, (time.time() - days * 86_400,) * 2)
    store.drop_unfinished()
    assert [file.exists() for file in (left, fresh, fetching)] == [False, True, True]
    assert store.load("vendor") == OLD


def test_files_below_the_home_are_noted_by_their_paths_there(lake: Lake, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    own = {"name": "a.csv", "container": str(old / "sample" / "a.csv")}
    RawStore(lake.storage, old).save("vendor", [own, *NEW])
    assert str(tmp_path).encode() not in (lake.storage.read("raw/vendor.json") or b"")
    assert RawStore(lake.storage, old).load("vendor") == [own, *NEW]
    moved = {**own, "container": str(new / "sample" / "a.csv")}
    assert RawStore(lake.storage, new).load("vendor") == [moved, *NEW]


def test_manifests_of_earlier_releases_still_open(store: RawStore, lake: Lake, tmp_path: Path) -> None:
    own = {"name": "a.csv", "container": str(tmp_path / "home" / "sample" / "a.csv")}
    lake.storage.replace("raw/vendor.json", json.dumps([own, *NEW]).encode())
    assert store.load("vendor") == [own, *NEW]


@pytest.mark.unit
def test_a_lake_on_disk_keeps_no_copies(disk_lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "vendor.csv"
    file.write_text("a")
    store = RawStore(disk_lake.storage, tmp_path)
    store.keep("vendor", file, "digest", lambda: None, lambda *_: None)
    assert store.copy("vendor", file.name, "digest") is None
    assert not Path(disk_lake.root).exists()
