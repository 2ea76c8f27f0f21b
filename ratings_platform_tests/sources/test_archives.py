from __future__ import annotations

import gzip
import io
import os
import stat
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ratings_platform.schema.errors import PlatformError, SourceError
from ratings_platform.sources.files import RawFile, find_files, one_of_each, open_plain, register

pytestmark = pytest.mark.unit

RATINGS = b"1:\n" + b"1488844,3,2005-09-06\n" * 20_000


def registered(folder: Path, *patterns: str) -> list[RawFile]:
    return register(one_of_each(find_files(folder, patterns).files))


def unpacked(folder: Path, workdir: Path, *patterns: str) -> dict[str, bytes]:
    with open_plain(registered(folder, *patterns), workdir) as plain:
        return {file.name: path.read_bytes() for file, path in plain}


def make_zip(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def make_tar(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    return tmp_path / "source"


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    return tmp_path / "work"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a small disk can only be mounted by root")
    yield place
    subprocess.run(["umount", str(place)], check=True)  # noqa: S607


def test_plain_files_stay_where_they_are(folder: Path, workdir: Path) -> None:
    (folder / "combined_data_1.txt").write_bytes(RATINGS)
    with open_plain(registered(folder, "*.txt"), workdir) as plain:
        assert [path for _, path in plain] == [folder / "combined_data_1.txt"]
    assert not workdir.exists()


def test_unpacks_what_is_wanted_and_takes_it_away_again(folder: Path, workdir: Path) -> None:
    make_zip(folder / "all.zip", **{"combined_data_1.txt": RATINGS, "probe.txt": b"x", "README": b"x"})
    (folder / "reviews.tsv.gz").write_bytes(gzip.compress(b"tabs"))
    make_tar(folder / "old.tar.gz", {"training_set/mv_0000001.txt": b"1:\n", "training_set/other": b"x"})
    (folder / "movie_titles.csv").write_bytes(b"plain")
    with open_plain(registered(folder, "combined*", "*.tsv", "mv_*", "*.csv"), workdir) as plain:
        assert {file.name: path.read_bytes() for file, path in plain} == {
            "combined_data_1.txt": RATINGS,
            "reviews.tsv": b"tabs",
            "mv_0000001.txt": b"1:\n",
            "movie_titles.csv": b"plain",
        }
        assert len([path for path in workdir.rglob("*") if path.is_file()]) == 3
    assert list(workdir.iterdir()) == []


def test_takes_the_unpacked_files_away_after_an_error_too(folder: Path, workdir: Path) -> None:
    make_zip(folder / "all.zip", **{"combined_data_1.txt": RATINGS})
    files = registered(folder, "*.txt")
    with pytest.raises(ValueError, match="reader"), open_plain(files, workdir):
        raise ValueError("reader")
    assert list(workdir.iterdir()) == []


def test_members_of_one_name_from_two_archives_are_kept_apart(folder: Path, workdir: Path) -> None:
    for vendor in (b"a", b"b"):
        (folder / vendor.decode()).mkdir()
        make_zip(folder / vendor.decode() / "data.zip", **{"ratings.txt": vendor})
    files = registered(folder / "a", "ratings.txt") + registered(folder / "b", "ratings.txt")
    with open_plain(files, workdir) as plain:
        assert [path.read_bytes() for _, path in plain] == [b"a", b"b"]


@pytest.mark.parametrize("outer", ["download.zip", "download.tar", "download.tar.gz"])
def test_reads_an_archive_within_an_archive(folder: Path, workdir: Path, tmp_path: Path, outer: str) -> None:
    inner = make_tar(tmp_path / "training_set.tar", {f"training_set/mv_{n:07}.txt": b"%d:\n" % n for n in (1, 2, 3)})
    members = {
        "download/README": b"x",
        "download/training_set.tar": inner.read_bytes(),
        "download/movie_titles.txt": b"t",
    }
    if outer.endswith(".zip"):
        make_zip(folder / outer, **members)
    else:
        make_tar(folder / outer, members)
    found = unpacked(folder, workdir, "mv_*.txt", "movie_titles.*")
    assert found == {f"mv_{n:07}.txt": b"%d:\n" % n for n in (1, 2, 3)} | {"movie_titles.txt": b"t"}


def _zipped(path: Path, **members: bytes) -> bytes:
    return make_zip(path, **members).read_bytes()


def _tarred(path: Path, **members: bytes) -> bytes:
    return make_tar(path, members).read_bytes()


@pytest.mark.parametrize("outer", ["download.zip", "download.tar", "download.tar.gz"])
@pytest.mark.parametrize(
    ("inner", "pack"),
    [
        ("ratings.txt.gz", lambda _: gzip.compress(RATINGS)),
        ("ratings.txt.gz", lambda _: RATINGS),
        ("set.zip", lambda path: _zipped(path, **{"ratings.txt": RATINGS})),
        ("set.tar.gz", lambda path: _tarred(path, **{"ratings.txt": RATINGS})),
        ("set.tgz", lambda path: _tarred(path.with_name("set.tar.gz"), **{"deep/ratings.txt": RATINGS})),
        ("set.tar", lambda path: _tarred(path, **{"ratings.txt.gz": gzip.compress(RATINGS)})),
        ("set.tar", lambda path: _tarred(path, **{"inner.tar": _tarred(path, **{"ratings.txt": RATINGS})})),
    ],
    ids=["gz", "gz_unpacked", "zip", "tar.gz", "tgz", "gz_in_tar", "tar_in_tar"],
)
def test_reads_any_kind_of_archive_within_an_archive(
    folder: Path, workdir: Path, tmp_path: Path, outer: str, inner: str, pack: Callable[[Path], bytes]
) -> None:
    members = {"README": b"x", inner: pack(tmp_path / inner), "titles.csv": b"t"}
    if outer.endswith(".zip"):
        make_zip(folder / outer, **members)
    else:
        make_tar(folder / outer, members)
    assert unpacked(folder, workdir, "ratings.txt", "titles.csv") == {"ratings.txt": RATINGS, "titles.csv": b"t"}


def test_an_archive_that_holds_itself_is_looked_into_so_far(folder: Path, tmp_path: Path) -> None:
    packed = RATINGS
    for depth in range(8):
        packed = _tarred(tmp_path / f"{depth}.tar", **{"ratings.txt": packed[:9], "deeper.tar": packed})
    (folder / "all.tar").write_bytes(packed)
    assert 1 < len(find_files(folder, ["ratings.txt"]).files) < 8


@pytest.mark.parametrize("name", ["._set.tar", "._set.zip", "._ratings.txt.gz"])
def test_what_macos_puts_beside_archives_is_none(folder: Path, workdir: Path, name: str) -> None:
    (folder / name).write_bytes(b"\0\5\x16\7 Mac OS X")
    make_zip(folder / "all.zip", **{f"__MACOSX/{name}": b"\0\5\x16\7 Mac OS X", "ratings.txt": RATINGS})
    assert find_files(folder, ["*.txt"]).unreadable == []
    assert unpacked(folder, workdir, "*.txt") == {"ratings.txt": RATINGS}


def test_a_gz_that_is_packed_no_longer(folder: Path, workdir: Path) -> None:
    (folder / "ratings.txt.gz").write_bytes(RATINGS)
    assert unpacked(folder, workdir, "ratings.txt") == {"ratings.txt": RATINGS}
    assert not workdir.exists()


@pytest.mark.parametrize("bad", ["../evil.txt", "/etc/evil.txt", "a/../../evil.txt", r"..\evil.txt", r"C:\evil.txt"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_refuses_paths_that_lead_outside(folder: Path, kind: str, bad: str) -> None:
    members = {"combined_data_1.txt": RATINGS, bad: b"evil"}
    if kind == "zip":
        make_zip(folder / "bad.zip", **members)
    else:
        make_tar(folder / "bad.tar", members)
    with pytest.raises(SourceError, match="leads outside") as caught:
        find_files(folder, ["combined*"])
    assert f"bad.{kind}" in str(caught.value)
    assert repr(bad) in str(caught.value)
    with pytest.raises(SourceError, match="leads outside"):
        find_files(folder, ["*evil.txt"])


def test_reads_paths_as_windows_writes_them(folder: Path, workdir: Path) -> None:
    make_zip(folder / "all.zip", **{r"netflix\combined_data_1.txt": RATINGS})
    assert unpacked(folder, workdir, "combined*") == {"combined_data_1.txt": RATINGS}


def test_an_encrypted_member(folder: Path, workdir: Path) -> None:
    path = make_zip(folder / "all.zip", **{"ratings.txt": RATINGS})
    data = bytearray(path.read_bytes())
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + flags] |= 1
    path.write_bytes(data)
    with pytest.raises(SourceError, match="encrypted"):
        unpacked(folder, workdir, "ratings.txt")


def test_refuses_links_in_a_zip(folder: Path) -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(folder / "bad.zip", "w") as archive:
        archive.writestr(link, "/etc")
        archive.writestr("combined_data_1.txt", RATINGS)
    with pytest.raises(SourceError, match="'link' is a link"):
        find_files(folder, ["combined*"])


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE])
def test_refuses_links_and_devices_in_a_tar(folder: Path, kind: bytes) -> None:
    link = tarfile.TarInfo("combined_data_1.txt")
    link.type, link.linkname = kind, "/etc/passwd"
    with tarfile.open(folder / "bad.tar", "w") as archive:
        archive.addfile(link)
    with pytest.raises(SourceError, match=r"'combined_data_1\.txt' is a link"):
        find_files(folder, ["combined*"])


def test_an_archive_without_wanted_members_is_nobodys_concern(folder: Path) -> None:
    make_tar(folder / "unrelated.tar", {"../evil.txt": b"evil"})
    (folder / "movie_titles.csv").write_bytes(b"1,2003,x\n")
    assert [file.name for file in find_files(folder, ["*.csv"]).files] == ["movie_titles.csv"]


@pytest.mark.parametrize("name", ["holiday.zip", "holiday.tar", "holiday.tar.gz"])
def test_a_broken_archive_is_told_of_beside_what_was_found(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"not an archive")
    (folder / "movie_titles.csv").write_bytes(b"1,2003,x\n")
    files, (unreadable,), _ = find_files(folder, ["*.csv"])
    assert [file.name for file in files] == ["movie_titles.csv"]
    assert str(unreadable).startswith(f"{folder / name}: cannot be unpacked, it is truncated or damaged")


def test_a_zip_whose_directory_points_before_its_start(folder: Path, tmp_path: Path) -> None:
    inner = make_tar(tmp_path / "training_set.tar", {"ratings.txt": RATINGS})
    path = make_zip(folder / "all.zip", **{"training_set.tar": inner.read_bytes()})
    data = bytearray(path.read_bytes())
    directory = data.index(b"PK\x05\x06") + 16
    data[directory + 3] = 1
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"all\.zip: cannot be unpacked"):
        find_files(folder, ["ratings.txt"])


@pytest.mark.parametrize("name", ["all.zip", "ratings.txt.gz", "all.tar.gz"])
@pytest.mark.parametrize("left", [0.0, 0.5, 0.99])
def test_truncated_archives(folder: Path, workdir: Path, name: str, left: float) -> None:
    path = folder / name
    noise = os.urandom(300_000)
    if name.endswith(".zip"):
        make_zip(path, **{"ratings.txt": noise})
    elif name.endswith(".tar.gz"):
        make_tar(path, {"ratings.txt": noise})
    else:
        path.write_bytes(gzip.compress(noise))
    os.truncate(path, int(left * path.stat().st_size))
    with pytest.raises(
        SourceError, match=f"{name}(: cannot be unpacked|, member ratings.txt: the file is empty)"
    ) as caught:
        unpacked(folder, workdir, "ratings.txt")
    assert "\n" not in str(caught.value)
    assert not workdir.exists() or list(workdir.iterdir()) == []


@pytest.mark.parametrize("name", ["all.zip", "ratings.txt.gz", "all.tar.gz"])
def test_damaged_bytes(folder: Path, workdir: Path, name: str) -> None:
    path = folder / name
    noise = os.urandom(300_000)
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("ratings.txt", noise)
    elif name.endswith(".tar.gz"):
        make_tar(path, {"ratings.txt": noise})
    else:
        path.write_bytes(gzip.compress(noise))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(SourceError, match=f"{name}: cannot be unpacked"):
        unpacked(folder, workdir, "ratings.txt")


@pytest.mark.parametrize("change", ["size", "time", "gone"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_file_that_changed_after_registration(folder: Path, workdir: Path, packed: bool, change: str) -> None:
    path = folder / "ratings.txt"
    if packed:
        path = make_zip(folder / "all.zip", **{"ratings.txt": RATINGS})
    else:
        path.write_bytes(RATINGS)
    files = registered(folder, "ratings.txt")
    match change:
        case "size":
            os.truncate(path, 10)
            os.utime(path, ns=(files[0].modified_ns, files[0].modified_ns))
        case "time":
            os.utime(path, ns=(1, 1))
        case "gone":
            path.unlink()
    says = "is gone" if change == "gone" else "changed since it was registered"
    with pytest.raises(SourceError, match=f"{says}.*Materialise the raw asset again"), open_plain(files, workdir):
        pass


def test_a_registered_member_that_is_not_there(folder: Path, workdir: Path) -> None:
    make_zip(folder / "all.zip", **{"ratings.txt": RATINGS})
    (file,) = registered(folder, "ratings.txt")
    with (
        pytest.raises(SourceError, match="holds no member 'other'"),
        open_plain([replace(file, member="other")], workdir),
    ):
        pass


def test_refuses_to_unpack_more_than_the_disk_holds(folder: Path, workdir: Path) -> None:
    with zipfile.ZipFile(folder / "bomb.zip", "w") as archive:
        archive.writestr("ratings.txt", RATINGS)
        archive.filelist[0].file_size = 10**15
    with pytest.raises(PlatformError, match=r"1,000,000,000,000,000 bytes are needed") as caught:
        unpacked(folder, workdir, "ratings.txt")
    assert str(workdir) in str(caught.value)


def test_a_disk_that_fills_up_on_the_way(folder: Path, small_disk: Path) -> None:
    # Of several parts, gzip declares the size of the last only.
    (folder / "ratings.txt.gz").write_bytes(gzip.compress(bytes(5_000_000)) + gzip.compress(b"end"))
    with pytest.raises(PlatformError, match="the disk is full") as caught:
        unpacked(folder, small_disk / "work", "ratings.txt")
    assert str(small_disk) in str(caught.value)
    assert list((small_disk / "work").iterdir()) == []
