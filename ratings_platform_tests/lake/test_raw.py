"""The raw layer's manifests."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratings_platform.lake.raw import RawStore

pytestmark = pytest.mark.unit

OLD = [{"name": 'Łódź\'s "file".csv', "bytes": 3}]
NEW = [{"name": "other.csv", "bytes": 4}]


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    return RawStore(str(tmp_path))


def test_a_vendor_without_delivery_has_no_files(store: RawStore) -> None:
    assert store.load("vendor") == []


def test_what_was_saved_last_is_loaded(store: RawStore, tmp_path: Path) -> None:
    assert store.save("vendor", OLD) == store.manifest_path("vendor") == tmp_path / "raw" / "vendor.json"
    assert store.load("vendor") == OLD
    store.save("vendor", NEW)
    assert (store.load("vendor"), store.load("other")) == (NEW, [])


def test_fetched_files_lie_beside_the_manifest(store: RawStore, tmp_path: Path) -> None:
    assert store.folder("vendor") == tmp_path / "raw" / "vendor"


def test_a_manifest_that_could_not_be_written_leaves_the_last_one(store: RawStore) -> None:
    store.save("vendor", OLD)
    with pytest.raises(TypeError):
        store.save("vendor", [{"name": object()}])
    # A writer killed before its last step has left this much.
    store.manifest_path("vendor").with_suffix(".json.part").write_text("[{", encoding="utf-8")
    assert store.load("vendor") == OLD
    store.save("vendor", NEW)
    assert store.load("vendor") == NEW


def test_equal_deliveries_give_equal_bytes(store: RawStore) -> None:
    first = store.save("vendor", [{"a": 1, "b": 2}]).read_bytes()
    assert store.save("vendor", [{"b": 2, "a": 1}]).read_bytes() == first


def test_a_manifest_is_replaced_never_rewritten(store: RawStore) -> None:
    """Who has the old file open reads the old content to its end."""
    with store.save("vendor", OLD).open(encoding="utf-8") as reader:
        before = store.manifest_path("vendor").read_text(encoding="utf-8")
        store.save("vendor", NEW)
        assert reader.read() == before
