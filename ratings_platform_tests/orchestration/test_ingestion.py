"""Deliveries: unchanged files are not read again, new ones are added, and products keep their keys."""

from __future__ import annotations

import re
import shutil
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from ratings_platform.orchestration import ingestion
from ratings_platform.orchestration.failures import reason
from ratings_platform.orchestration.ingestion import _identity, _units, files_of, units
from ratings_platform.schema.errors import SourceError
from ratings_platform.sources.files import RawFile, register
from ratings_platform.studies.market_study.settings import MarketStudySettings
from ratings_platform.studies.market_study.study import STUDY
from ratings_platform_tests.conftest import Built
from ratings_platform_tests.orchestration.stand import Stand, materialised

pytestmark = pytest.mark.integration

BRONZE = ("bronze/movies_netflix", "bronze/ratings_netflix", "bronze/ratings_amazon")
RAW = ("raw/netflix_prize", "raw/amazon_reviews")
TO_PRODUCTS = (*RAW, *BRONZE, "bronze/rejects", "silver/movies", "gold/product_keys", "gold/dim_product")


@pytest.fixture
def source(built: Built, tmp_path: Path) -> Path:
    """A copy of the vendor files, to change; with the times of the originals."""
    return Path(shutil.copytree(built.source, tmp_path / "vendor"))


def test_unchanged_files_are_not_parsed_again(stand: Stand, caplog: pytest.LogCaptureFixture) -> None:
    before = {path: stand.paths(path) for path in BRONZE}
    result = stand.run(*RAW, *BRONZE)
    assert result.success
    assert {path: stand.paths(path) for path in BRONZE} == before
    assert sorted(_said(stand, result)) == sorted(
        f"{unit.name}: unchanged, {unit.kept:,} rows kept as they are"
        for path in BRONZE
        for unit in units(stand.table(path))
    )


def test_files_put_elsewhere_are_the_same_files(new_stand: Callable[..., Stand], source: Path) -> None:
    stand = new_stand(source=source)
    before = stand.paths("bronze/ratings_amazon")
    assert stand.run(*RAW, *BRONZE).success
    assert stand.paths("bronze/ratings_amazon") == before


def test_only_a_changed_file_is_parsed_again(new_stand: Callable[..., Stand], source: Path) -> None:
    stand = new_stand(source=source)
    changed = source / "combined_data_3.txt"
    changed.write_text(changed.read_text() + "999,5,2005-12-31\n")
    before = {unit.name: unit for unit in units(stand.table("bronze/ratings_netflix"))}
    files = stand.paths("bronze/ratings_netflix")
    result = stand.run(*RAW, *BRONZE)
    assert result.success
    after = {unit.name: unit for unit in units(stand.table("bronze/ratings_netflix"))}
    assert {name for name in after if after[name] != before[name]} == {"combined_data_3.txt"}
    assert after["combined_data_3.txt"].kept == before["combined_data_3.txt"].kept + 1
    # The other units' files are the very same.
    others = tuple(unit.id for name, unit in before.items() if name != changed.name)
    kept = {file: time for file, time in files.items() if Path(file).parent.name.startswith(others)}
    assert kept.items() < stand.paths("bronze/ratings_netflix").items()
    assert [line for line in _said(stand, result) if "unchanged" not in line] == [
        line for line in _said(stand, result) if line.startswith("combined_data_3.txt: ")
    ]


def test_other_films_have_the_ratings_read_again(new_stand: Callable[..., Stand], source: Path) -> None:
    """Which film ids are known decides which ratings are kept."""
    lost = int((source / "combined_data_1.txt").read_text().partition(":")[0])
    titles = source / "movie_titles.csv"
    known = titles.read_bytes().splitlines(keepends=True)
    titles.write_bytes(b"".join(line for line in known if not line.startswith(b"%d," % lost)))
    stand = new_stand(source=source)
    assert stand.run(*RAW, *BRONZE, "bronze/rejects").success
    rejects = stand.rows("bronze/rejects")
    assert lost not in stand.rows("bronze/ratings_netflix")["product_id"].to_pylist()
    assert set(rejects["reason"].to_pylist()) == {"film is not in movie_titles.csv"}
    assert stand.rows("bronze/ratings_netflix").num_rows + rejects.num_rows == 2400


def test_another_reader_parses_everything_anew(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path: stand.paths(path) for path in BRONZE}
    rows = {path: _sorted(stand, path) for path in BRONZE}
    monkeypatch.setattr(ingestion, "reader_version", lambda _: "another")
    assert stand.run(*RAW, *BRONZE).success
    assert all(not stand.paths(path).keys() & before[path].keys() for path in BRONZE)
    assert {path: _sorted(stand, path) for path in BRONZE} == rows


def test_products_keep_their_keys_when_a_file_arrives(new_stand: Callable[..., Stand], source: Path) -> None:
    before = _keys(new_stand())
    reviews = (source / "amazon_reviews_us_Video_v1_00.tsv").read_text().splitlines(keepends=True)
    first = reviews[1].split("\t")
    # Ids that sort before, between and after those that are there.
    new = [(f"R{n}EXTRA", product) for n, product in enumerate(("0000000000", "B0005", "ZZZ"))]
    extra = ["\t".join([*first[:2], review, product, *first[4:]]) for review, product in new]
    (source / "amazon_reviews_us_Extra_v1_00.tsv").write_text("".join([reviews[0], *extra]))
    names = "Video_v1_00,Video_DVD_v1_00,Digital_Video_Download_v1_00,Extra_v1_00"
    stand = new_stand(source=source, amazon_files=names)
    assert stand.run(*TO_PRODUCTS).success
    after = _keys(stand)
    assert before.items() < after.items()
    added = {product: key for product, key in after.items() if product not in before}
    first_free = max(before.values()) + 1
    assert added == {("Amazon", product): first_free + n for n, (_, product) in enumerate(new)}


def test_products_keep_their_keys_when_loaded_again(stand: Stand) -> None:
    before = _keys(stand)
    for path in ("silver/movies", "gold/dim_product"):
        shutil.rmtree(stand.table(path).uri)
    assert stand.run("silver/movies", "gold/product_keys", "gold/dim_product").success
    assert _keys(stand) == before


def test_a_product_that_left_and_came_back_has_its_old_key(new_stand: Callable[..., Stand], source: Path) -> None:
    titles = source / "movie_titles.csv"
    whole = titles.read_bytes()
    stand = new_stand(source=source)
    before = _keys(stand)
    titles.write_bytes(b"".join(whole.splitlines(keepends=True)[5:]))
    assert stand.run(*TO_PRODUCTS).success
    assert len(_keys(stand)) == len(before) - 5
    titles.write_bytes(whole)
    assert stand.run(*TO_PRODUCTS).success
    assert _keys(stand) == before


def test_a_missing_file_is_named_and_the_last_version_stays(new_stand: Callable[..., Stand], source: Path) -> None:
    stand = new_stand(source=source)
    before = stand.paths("bronze/ratings_netflix")
    (source / "combined_data_2.txt").unlink()
    result = stand.run(*RAW, *BRONZE)
    assert not result.success
    failures = [e for e in result.all_events if e.is_step_failure]
    assert {e.step_key for e in failures} == {"raw__netflix_prize", "raw__amazon_reviews"}
    (said,) = {reason(e) for e in failures}
    assert "combined_data_2.txt is missing" in said
    assert "set RATINGS_NETFLIX_FILES=combined_data_1.txt,combined_data_3.txt,combined_data_4.txt." in said
    assert materialised(result) == set()
    assert stand.paths("bronze/ratings_netflix") == before


def test_a_vendor_that_no_one_asked_for_may_be_missing(new_stand: Callable[..., Stand], source: Path) -> None:
    stand = new_stand(source=source)
    (source / "combined_data_2.txt").unlink()
    result = stand.run("raw/amazon_reviews", "bronze/ratings_amazon")
    assert materialised(result) == {"raw/amazon_reviews", "bronze/ratings_amazon"}


@pytest.mark.parametrize(
    ("vendor", "left", "setting"),
    [
        ("netflix_prize", ["combined_data_1.txt"], "RATINGS_NETFLIX_FILES=combined_data_1.txt"),
        (
            "amazon_reviews",
            ["amazon_reviews_us_Video_v1_00.tsv", "amazon_reviews_us_Video_DVD_v1_00.tsv"],
            "RATINGS_AMAZON_FILES=Video_DVD_v1_00,Video_v1_00",
        ),
    ],
)
def test_who_has_some_of_the_files_is_told_the_setting_that_does_with_them(
    source: Path, monkeypatch: pytest.MonkeyPatch, vendor: str, left: list[str], setting: str
) -> None:
    declared = next(v for v in STUDY.vendors if v.name == vendor)
    for name in declared.layouts(MarketStudySettings())[0]:
        if name not in (*left, "movie_titles.csv"):
            (source / name).unlink()
    with pytest.raises(SourceError, match=f"or make do with what is there: set {setting}\\.$"):
        ingestion.delivery(declared, MarketStudySettings(), source)
    monkeypatch.setenv(*setting.split("="))
    found = ingestion.delivery(declared, MarketStudySettings(), source)
    assert {file.name for file in found} == {*left, *(["movie_titles.csv"] if "netflix" in vendor else [])}


def test_no_setting_helps_who_has_no_ratings_at_all(source: Path) -> None:
    for file in source.glob("*.txt"):
        file.unlink()
    with pytest.raises(SourceError, match=r"combined_data_1\.txt.* are missing") as caught:
        ingestion.delivery(STUDY.vendors[0], MarketStudySettings(), source)
    assert "RATINGS_" not in str(caught.value)


def test_of_two_layouts_the_one_that_is_complete_counts(tmp_path: Path) -> None:
    netflix = STUDY.vendors[0]
    for name in ("movie_titles.csv", "mv_0000001.txt", "mv_0000002.txt", "unrelated.txt"):
        (tmp_path / name).write_text("1:\n")
    found = ingestion.delivery(netflix, MarketStudySettings(), tmp_path)
    assert [file.name for file in found] == ["movie_titles.csv", "mv_0000001.txt", "mv_0000002.txt"]
    (tmp_path / "movie_titles.csv").unlink()
    with pytest.raises(SourceError, match=r"movie_titles\.csv is missing"):
        ingestion.delivery(netflix, MarketStudySettings(), tmp_path)


@pytest.mark.parametrize("titles", ["movie_titles.txt", "movie_titles.csv"])
def test_the_original_delivery_is_complete_without_probe_and_qualifying(tmp_path: Path, titles: str) -> None:
    netflix = STUDY.vendors[0]
    for name in (titles, "probe.txt", "qualifying.txt", "training_set/mv_0000001.txt", "training_set/mv_0000002.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("1:\n")
    found = register(ingestion.delivery(netflix, MarketStudySettings(), tmp_path))
    assert [file.name for file in found] == [titles, "mv_0000001.txt", "mv_0000002.txt"]
    movies, ratings = (i for i in STUDY.ingests if i.vendor == netflix.name)
    assert [file.name for file in files_of(movies, found)] == [titles]
    assert [file.name for file in files_of(ratings, found)] == ["mv_0000001.txt", "mv_0000002.txt"]


def test_titles_of_the_original_beside_ratings_of_kaggle(built: Built, source: Path) -> None:
    (source / "movie_titles.csv").rename(source / "movie_titles.txt")
    found = register(ingestion.delivery(STUDY.vendors[0], MarketStudySettings(), source))
    _, ratings = (i for i in STUDY.ingests if i.vendor == STUDY.vendors[0].name)
    assert [file.name for file in files_of(ratings, found)] == [f"combined_data_{n}.txt" for n in range(1, 5)]


def test_thousands_of_files_are_one_unit_in_no_time() -> None:
    (spec,) = (i for i in STUDY.ingests if i.together)
    files = [
        RawFile(f"mv_{n:07}.txt", f"/v/mv_{n:07}.txt", None, 9, 9, n, "vendor", f"{n:064}") for n in range(1, 17_771)
    ]
    start = time.process_time()
    (unit,) = _units(spec, files_of(spec, files), {})
    assert time.process_time() - start < 3
    assert (unit.name, len(unit.files)) == ("mv_0000001.txt … mv_0017770.txt", 17_770)


@pytest.fixture
def netflix_files(tmp_path: Path) -> Path:
    for name in ("movie_titles.csv", "mv_0000001.txt"):
        (tmp_path / name).write_text("1:\n")
    return tmp_path


def test_a_broken_archive_beside_a_complete_delivery_is_passed_over(
    built: Built, source: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (source / "holiday.zip").write_bytes(b"PK")
    netflix = STUDY.vendors[0]
    found = ingestion.delivery(netflix, MarketStudySettings(), source)
    whole = ingestion.delivery(netflix, MarketStudySettings(), built.source)
    assert [file.name for file in found] == [file.name for file in whole]
    (warning,) = caplog.records
    assert warning.levelname == "WARNING"
    assert "holiday.zip: cannot be unpacked" in warning.getMessage()


def test_a_broken_archive_may_hold_more_files_of_a_pattern(netflix_files: Path) -> None:
    (netflix_files / "training_set_2.tar").write_bytes(b"broken")
    with pytest.raises(SourceError, match=r"training_set_2\.tar: cannot be unpacked"):
        ingestion.delivery(STUDY.vendors[0], MarketStudySettings(), netflix_files)


def test_a_broken_archive_that_may_hold_what_is_missing_is_named(netflix_files: Path) -> None:
    (netflix_files / "movie_titles.zip").write_bytes(b"PK")
    (netflix_files / "movie_titles.csv").unlink()
    with pytest.raises(SourceError, match=r"movie_titles\.zip: cannot be unpacked.*, and movie_titles\.csv is missing"):
        ingestion.delivery(STUDY.vendors[0], MarketStudySettings(), netflix_files)


def test_an_archive_that_reaches_outside_is_refused_even_beside_a_complete_delivery(netflix_files: Path) -> None:
    with zipfile.ZipFile(netflix_files / "more.zip", "w") as archive:
        archive.writestr("mv_0000002.txt", "2:\n")
        archive.writestr("../evil.txt", "evil")
    with pytest.raises(SourceError, match="leads outside"):
        ingestion.delivery(STUDY.vendors[0], MarketStudySettings(), netflix_files)


def _said(stand: Stand, result: dg.ExecuteInProcessResult) -> list[str]:
    """What the steps said of the files that they read."""
    logs = stand.instance.all_logs(result.run_id)
    words = [log.user_message for log in logs if not log.is_dagster_event]
    return [line for line in words if re.match(r"[\w.]+\.(csv|txt|tsv): ", line)]


def _sorted(stand: Stand, path: str) -> list[dict[str, object]]:
    rows = stand.rows(path)
    return sorted(rows.to_pylist(), key=lambda row: str(list(row.values())))


def _keys(stand: Stand) -> dict[tuple[str, str], int]:
    rows = stand.rows("gold/dim_product")
    return {(row["company"], row["product_id"]): row["product_key"] for row in rows.to_pylist()}


def test_a_changed_declaration_has_the_files_parsed_anew() -> None:
    (spec,) = (i for i in STUDY.ingests if i.table.name == "ratings_amazon")
    wider = replace(spec.table, columns=(replace(spec.table.columns[0], maximum="ZZ"), *spec.table.columns[1:]))
    same, other = (_identity(s, "a.tsv", [], {}) for s in (replace(spec), replace(spec, table=wider)))
    assert same == _identity(spec, "a.tsv", [], {}) != other


def test_a_unit_whose_files_are_gone_is_read_anew(stand: Stand) -> None:
    before = stand.rows("bronze/movies_netflix")
    stored = stand.table("bronze/movies_netflix")
    stored.publish([], info=stored.info())
    assert stand.run("bronze/movies_netflix").success
    assert stand.rows("bronze/movies_netflix").equals(before)
