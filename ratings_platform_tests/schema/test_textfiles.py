"""Small text files as editors and shells save them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratings_platform.schema.errors import SettingsError
from ratings_platform.schema.textfiles import read_text

pytestmark = pytest.mark.unit

TEXT = "première\nzweite s3cret\n"
SAVED = {
    "plain": TEXT.encode(),
    "with a mark": TEXT.encode("utf-8-sig"),
    "of Windows": TEXT.replace("\n", "\r\n").encode(),
    "of Windows, with a mark": TEXT.replace("\n", "\r\n").encode("utf-8-sig"),
}
NO_TEXT = {
    "utf-16": (TEXT.encode("utf-16"), "is UTF-16, not UTF-8. Save it as UTF-8."),
    "utf-16, the other way round": (b"\xfe\xff" + TEXT.encode("utf-16-be"), "is UTF-16, not UTF-8. Save it as UTF-8."),
    "utf-16 without a mark": ("s3cret".encode("utf-16-le"), "is not UTF-8. Save it as UTF-8."),
    "latin-1": (TEXT.encode("latin-1"), "is not UTF-8. Save it as UTF-8."),
    "large": (b"s3cret" * 200_000, "is larger than 1 MiB. Name the right file, or shorten it."),
}


@pytest.mark.parametrize("saved", SAVED.values(), ids=SAVED)
def test_a_text_is_the_same_however_it_is_saved(tmp_path: Path, saved: bytes) -> None:
    file = tmp_path / "text"
    file.write_bytes(saved)
    assert read_text(file) == TEXT


@pytest.mark.parametrize(("saved", "told"), NO_TEXT.values(), ids=NO_TEXT)
def test_what_is_no_text_is_told_and_not_shown(tmp_path: Path, saved: bytes, told: str) -> None:
    file = tmp_path / "text"
    file.write_bytes(saved)
    with pytest.raises(SettingsError) as caught:
        read_text(file)
    assert str(caught.value) == f"{file}: {told}"
    assert caught.value.__context__ is None, "a cause would hold the text"


def test_a_file_that_cannot_be_read_is_told_in_the_systems_words(tmp_path: Path) -> None:
    for file, words in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(SettingsError) as caught:
            read_text(file)
        assert str(caught.value) == f"{file}: cannot be read ({words}). Name a text file that you may read."
