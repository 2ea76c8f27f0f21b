"""The raw layer's manifests, on disk and on S3."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from ratings_platform.lake.raw import RawStore
from ratings_platform_tests.lake.samples import Lake

OLD = [{"name": 'Łódź\'s "file".csv', "bytes": 3}]
NEW = [{"name": "other.csv", "bytes": 4}]


@pytest.fixture
def store(lake: Lake) -> RawStore:
    return RawStore(lake.storage)


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
        store.save("vendor", [{"name": object()}])
    # A writer killed before its last step has left this much.
    lake.storage.replace("raw/vendor.json.part", b"[{")
    assert store.load("vendor") == OLD
    store.save("vendor", NEW)
    assert store.load("vendor") == NEW


def test_equal_deliveries_give_equal_bytes(store: RawStore, lake: Lake) -> None:
    store.save("vendor", [{"a": 1, "b": 2}])
    first = lake.storage.read("raw/vendor.json")
    store.save("vendor", [{"b": 2, "a": 1}])
    assert lake.storage.read("raw/vendor.json") == first


@pytest.mark.unit
def test_a_manifest_is_replaced_never_rewritten(disk_lake: Lake) -> None:
    """Who has the old file open reads the old content to its end."""
    store = RawStore(disk_lake.root)
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
def test_a_lake_on_disk_keeps_no_copies(disk_lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "vendor.csv"
    file.write_text("a")
    store = RawStore(disk_lake.storage)
    store.keep("vendor", file, "digest", lambda: None, lambda *_: None)
    assert store.copy("vendor", file.name, "digest") is None
    assert not Path(disk_lake.root).exists()
