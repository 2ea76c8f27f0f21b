from __future__ import annotations

import gzip
import hashlib
import json
import logging
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ratings_platform.schema.errors import SourceError
from ratings_platform.sources.files import FoundFile, RawFile, find_files, mark, one_of_each, register

pytestmark = pytest.mark.unit


def put(path: Path, data: bytes = b"data") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def put_zip(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"packed")
    return path


def chosen(source: Path, *patterns: str) -> list[FoundFile]:
    return one_of_each(find_files(source, patterns).files)


def test_finds_plain_and_packed_files_in_the_tree(tmp_path: Path) -> None:
    put(tmp_path / "b" / "Combined_Data_2.TXT")
    put(tmp_path / "c.tsv.gz", gzip.compress(b"tabs"))
    put_zip(tmp_path / "all.zip", "netflix/combined_data_1.txt", "netflix/README")
    put(tmp_path / "._combined_data_3.txt")
    put(tmp_path / "combined_data_4.txt.part")
    found = chosen(tmp_path, "combined_data_*.txt", "*.tsv")
    assert [(file.name, Path(file.container).name, file.member, file.size) for file in found] == [
        ("c.tsv", "c.tsv.gz", "c.tsv", 4),
        ("combined_data_1.txt", "all.zip", "netflix/combined_data_1.txt", 6),
        ("Combined_Data_2.TXT", "Combined_Data_2.TXT", None, 4),
    ]
    assert found[2].origin == f"file://{tmp_path}/b/Combined_Data_2.TXT"


def test_the_origin_can_be_told(tmp_path: Path) -> None:
    put(tmp_path / "a.csv")
    (file,) = find_files(tmp_path, ["a.csv"], origin="kaggle:vendor/ratings").files
    assert file.origin == "kaggle:vendor/ratings"


def test_one_name_is_read_once_and_plain_wins(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put_zip(tmp_path / "a.zip", "titles.csv")
    put(tmp_path / "titles.csv.gz", gzip.compress(b"packed"))
    put(tmp_path / "z" / "deeper" / "titles.csv", b"packed")
    put(tmp_path / "z" / "titles.csv", b"packed")
    with caplog.at_level(logging.WARNING):
        (file,) = chosen(tmp_path, "*.csv")
    assert file.container == str(tmp_path / "z" / "titles.csv")
    assert "3 files are passed over" in caplog.text
    assert f"{file.container} is read" in caplog.text


def test_of_two_packed_files_the_first_path_wins(tmp_path: Path) -> None:
    put_zip(tmp_path / "b.zip", "titles.csv")
    put_zip(tmp_path / "a.zip", "titles.csv")
    assert [Path(file.container).name for file in chosen(tmp_path, "*.csv")] == ["a.zip"]


def _two_plain(place: Path) -> None:
    put(place / "mine" / "titles.csv", b"mine")
    put(place / "made" / "Titles.csv", b"made")


def _plain_and_zip(place: Path) -> None:
    put(place / "titles.csv", b"PACKED")  # as many bytes
    put_zip(place / "all.zip", "titles.csv")


def _plain_and_gzip(place: Path) -> None:
    put(place / "titles.csv", b"mine")
    put(place / "titles.csv.gz", gzip.compress(b"made"))


def _zip_and_tar(place: Path) -> None:
    put_zip(place / "all.zip", "titles.csv")
    with tarfile.open(place / "all.tar.gz", "w:gz") as archive:
        archive.add(put(place.parent / "titles.csv", b"other!"), "titles.csv")


def _twice_in_one_zip(place: Path) -> None:
    with zipfile.ZipFile(place / "all.zip", "w") as archive:
        archive.writestr("mine/titles.csv", b"mine")
        archive.writestr("made/titles.csv", b"made")


@pytest.mark.parametrize(
    "lay", [_two_plain, _plain_and_zip, _plain_and_gzip, _zip_and_tar, _twice_in_one_zip], ids=lambda f: f.__name__
)
def test_different_files_of_one_name_are_refused(tmp_path: Path, lay: Callable[[Path], None]) -> None:
    source = tmp_path / "source"
    source.mkdir()
    lay(source)
    with pytest.raises(SourceError, match=r"is not the same file as .*itles\.csv.*, which has the same name") as caught:
        chosen(source, "*.csv")
    found = {file.place for file in find_files(source, ["*.csv"]).files}
    assert len(found) == 2
    assert all(place in str(caught.value) for place in found)


def test_a_source_may_be_a_single_archive_or_file(tmp_path: Path) -> None:
    archive, other = put_zip(tmp_path / "all.zip", "titles.csv"), put(tmp_path / "other.csv")
    assert [file.place for file in chosen(archive, "*.csv")] == [f"{archive}, member titles.csv"]
    assert [file.place for file in chosen(other, "*.csv")] == [str(other)]
    with pytest.raises(SourceError, match="no file named"):
        find_files(other, ["titles.csv"])


# --- What the platform itself wrote ---------------------------------------------------------------------------------


def test_folders_that_are_ours_are_left_out_and_that_is_told(tmp_path: Path) -> None:
    mine = put(tmp_path / "titles.csv")
    put(tmp_path / "data" / "sample" / "titles.csv", b"made")
    put(tmp_path / "data" / "raw" / "vendor" / "others.csv", b"fetched")
    (tmp_path / "link").symlink_to(tmp_path / "data" / "raw")
    ours = [tmp_path / "data" / "sample", tmp_path / "data" / "raw", tmp_path / "data" / "not_there"]
    found = find_files(tmp_path, ["*.csv"], ours=ours)
    assert [file.container for file in found.files] == [str(mine)]
    assert set(found.left_out) == set(ours[:2])
    with pytest.raises(SourceError, match=r"not looked at, since the platform itself wrote it: .*/data/raw and 2 more"):
        find_files(tmp_path, ["others.csv"], ours=ours)


def test_a_marked_folder_is_left_out_unless_it_is_the_source(tmp_path: Path) -> None:
    made = put(tmp_path / "elsewhere" / "data" / "sample" / "titles.csv").parent
    mark(made)
    mark(made)
    with pytest.raises(SourceError, match=f"the platform itself wrote it: {made}"):
        find_files(tmp_path, ["*.csv"])
    assert [file.name for file in find_files(made, ["*.csv"]).files] == ["titles.csv"]


def test_follows_links_to_folders(tmp_path: Path) -> None:
    path = put(tmp_path / "elsewhere" / "deep" / "titles.csv")
    source = tmp_path / "source"
    source.mkdir()
    (source / "netflix").symlink_to(tmp_path / "elsewhere")
    (file,) = find_files(source, ["*.csv"]).files
    assert file.container == str(path)


@pytest.mark.parametrize("links", [{"up": "."}, {"a": "b", "c": "b"}, {"self": "self", "nowhere": "gone"}])
def test_each_folder_is_searched_once_however_links_lead_to_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, links: dict[str, str]
) -> None:
    path = put(tmp_path / "b" / "titles.csv")
    for link, target in links.items():
        (tmp_path / link).symlink_to(target)
    (file,) = find_files(tmp_path, ["*.csv"]).files
    assert file.container == str(path)
    assert caplog.text == ""


def test_a_missing_file_names_the_directory_and_what_was_sought(tmp_path: Path) -> None:
    put(tmp_path / "other.txt")
    with pytest.raises(SourceError, match=r"no file named movie_titles\.csv or movie_titles\.txt") as caught:
        find_files(tmp_path, ["movie_titles.csv", "movie_titles.txt"])
    assert str(tmp_path) in str(caught.value)
    assert "Put the vendor's files there" in str(caught.value)


def test_a_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such directory"):
        find_files(tmp_path / "nowhere", ["*"])


def test_empty_files(tmp_path: Path) -> None:
    put(tmp_path / "plain" / "a.txt", b"")
    put(tmp_path / "gz" / "a.txt.gz", gzip.compress(b""))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", b"")
    for place in (tmp_path / "plain", tmp_path / "gz", tmp_path):
        with pytest.raises(SourceError, match="the file is empty"):
            chosen(place, "a.txt")


def test_registers_the_checksum_of_the_container(tmp_path: Path) -> None:
    path = put_zip(tmp_path / "all.zip", "a.txt", "b.txt")
    told: list[int] = []
    first, second = register(chosen(tmp_path, "*.txt"), progress=told.append)
    assert first.sha256 == second.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert first.bytes == path.stat().st_size
    assert told == [first.bytes]


def test_a_registration_survives_json(tmp_path: Path) -> None:
    put(tmp_path / "a.txt")
    (file,) = register(find_files(tmp_path, ["*.txt"]).files)
    assert RawFile.from_dict(json.loads(json.dumps(file.to_dict()))) == file


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    kept, touched = put(tmp_path / "kept.txt"), put(tmp_path / "touched.txt")
    before = register(find_files(tmp_path, ["*.txt"]).files)
    # Other bytes of the same size and time stand for "not read".
    time = kept.stat().st_mtime_ns
    kept.write_bytes(b"DATA")
    os.utime(kept, ns=(time, time))
    touched.write_bytes(b"DATA")
    os.utime(touched, ns=(time + 1, time + 1))
    told: list[int] = []
    after = register(find_files(tmp_path, ["*.txt"]).files, before, told.append)
    assert after[0] == before[0]
    assert after[1].sha256 == hashlib.sha256(b"DATA").hexdigest()
    assert told == [4]


def test_a_file_still_being_written_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "a.txt")
    found = find_files(tmp_path, ["*.txt"]).files
    path.write_bytes(b"more data")
    with pytest.raises(SourceError, match="changed while it was read"):
        register(found)
