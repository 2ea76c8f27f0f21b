"""The made vendor files: exact, repeatable, with every trait and fault of the real ones.

Belongs here: an independent walk over the files, line by line, in plain Python. Does not belong here: the readers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from ratings_platform.schema.errors import PlatformError
from ratings_platform.studies.market_study.reasons import Reason
from ratings_platform.studies.market_study.sample import AMAZON_FILES, COMBINED_FILES, MOVIE_TITLES, write_sample

pytestmark = pytest.mark.unit

AMAZON_NAMES = [file.name for file in AMAZON_FILES]
NAMES = [MOVIE_TITLES, *COMBINED_FILES, *AMAZON_NAMES]
NETFLIX, AMAZON, SEED = 30_000, 9_000, 5
Finding = tuple[Reason | None, list[str]]  # why a line is refused (None: kept), and its fields


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clean")
    assert write_sample(path, netflix=NETFLIX, amazon=AMAZON, seed=SEED) == []
    return path


@pytest.fixture(scope="module")
def dirty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Counter[tuple[str, Reason]]]:
    path = tmp_path_factory.mktemp("dirty")
    planted = write_sample(path, netflix=NETFLIX, amazon=AMAZON, seed=SEED, dirty=True)
    return path, Counter({(p.file, p.reason): p.rows for p in planted})


def lines_of(path: Path) -> list[bytes]:
    return [line.removesuffix(b"\r") for line in path.read_bytes().split(b"\n")]


def is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit()


def rating_fault(customer: str, stars: str, day: str) -> Reason | None:
    if not is_whole(customer):
        return Reason.CUSTOMER
    if stars not in {"1", "2", "3", "4", "5"}:
        return Reason.RATING
    try:
        year = date.fromisoformat(day).year
    except ValueError:
        return Reason.DATE
    return None if 1995 <= year <= 2015 else Reason.OUTSIDE


def walk_titles(folder: Path) -> Iterator[Finding]:
    seen = set()
    for line in lines_of(folder / MOVIE_TITLES)[:-1]:
        text = line.decode("latin-1")
        film, year, title, *_ = [*text.split(",", 2), "", ""]
        reason: Reason | None = None
        if text == "id,year,title":
            reason = Reason.HEADER
        elif "\0" in text:
            reason = Reason.NUL
        elif text.count(",") < 2:
            reason = Reason.FIELDS
        elif title.endswith(","):
            reason = Reason.TRAILING_COMMAS
        elif not is_whole(film) or int(film) == 0:
            reason = Reason.FILM_ID
        elif not is_whole(year) and year != "NULL":
            reason = Reason.RELEASE_YEAR
        elif not title:
            reason = Reason.NO_TITLE
        elif b"\xef\xbf\xbd" in line or any(0x80 <= byte <= 0x9F for byte in line):
            reason = Reason.GARBLED_TITLE
        elif film in seen:
            reason = Reason.DUPLICATE_FILM
        else:
            seen.add(film)
        yield reason, [film, year, title]


def walk_combined(folder: Path, name: str) -> Iterator[Finding]:
    films = {fields[0] for reason, fields in walk_titles(folder) if reason is None}
    film = ""
    block_fault: Reason | None = Reason.NO_FILM
    for line in filter(None, lines_of(folder / name)):
        text = line.decode("ascii")
        fields = text.split(",")
        if "\0" in text:
            yield Reason.NUL, fields
        elif text.endswith(":"):
            film = text[:-1]
            if not is_whole(film) or int(film) == 0:
                block_fault = Reason.LOST_FILM
                yield Reason.FILM_HEADER, fields
            else:
                block_fault = None if film in films else Reason.UNKNOWN_FILM
        elif len(fields) != 3:
            yield Reason.FIELDS, fields
        else:
            yield block_fault or rating_fault(*fields), [film, *fields]


def walk_amazon(folder: Path, name: str) -> Iterator[Finding]:
    header, *lines = filter(None, lines_of(folder / name))
    assert header.count(b"\t") == 14
    for line in lines:
        try:
            fields = line.decode().split("\t")
        except UnicodeDecodeError:
            yield Reason.ENCODING, []
            continue
        if b"\0" in line:
            yield Reason.NUL, fields
        elif len(fields) != 15:
            yield Reason.FIELDS, fields
        elif not fields[2]:
            yield Reason.REVIEW_ID, fields
        elif not fields[3]:
            yield Reason.PRODUCT_ID, fields
        elif not all(is_whole(fields[i]) for i in (4, 8, 9)):
            yield Reason.NUMBER, fields
        else:
            yield rating_fault(fields[1], fields[7], fields[14]), fields


def walk(folder: Path, name: str) -> Iterator[Finding]:
    if name == MOVIE_TITLES:
        return walk_titles(folder)
    return walk_combined(folder, name) if name in COMBINED_FILES else walk_amazon(folder, name)


def kept(folder: Path, *names: str) -> list[list[str]]:
    return [fields for name in names for reason, fields in walk(folder, name) if reason is None]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_files_are_the_vendors(clean: Path) -> None:
    assert sorted(contents(clean)) == sorted(NAMES)


@pytest.mark.parametrize("dirty", [False, True])
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, dirty: bool) -> None:
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_sample(tmp_path / folder, ratings=2_000, seed=seed, dirty=dirty)
    first, same, other = (contents(tmp_path / folder) for folder in "abc")
    assert first == same
    assert all(first[name] != other[name] for name in NAMES)


def test_counts_are_exact(clean: Path) -> None:
    assert len(kept(clean, *COMBINED_FILES)) == NETFLIX
    assert len(kept(clean, *AMAZON_NAMES)) == AMAZON


@pytest.mark.parametrize("ratings", [1, 10, 999])
@pytest.mark.parametrize("is_dirty", [False, True])
def test_small_samples_are_whole_too(tmp_path: Path, ratings: int, is_dirty: bool) -> None:
    planted = write_sample(tmp_path, ratings=ratings, dirty=is_dirty)
    assert len(kept(tmp_path, *COMBINED_FILES, *AMAZON_NAMES)) == ratings
    found = Counter((name, reason) for name in NAMES for reason, _ in walk(tmp_path, name) if reason)
    assert found == Counter({(p.file, p.reason): p.rows for p in planted})


def test_progress_sums_to_the_ratings(tmp_path: Path) -> None:
    steps: list[int] = []
    write_sample(tmp_path, ratings=300_001, progress=steps.append)
    assert sum(steps) == 300_001


def test_more_ratings_than_customers_could_give_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match="at most"):
        write_sample(tmp_path, netflix=10**11, amazon=0)
    with pytest.raises(PlatformError, match="negative"):
        write_sample(tmp_path, ratings=-1)


def test_clean_files_hold_no_fault(clean: Path) -> None:
    assert [(name, reason) for name in NAMES for reason, _ in walk(clean, name) if reason] == []


def test_planted_faults_are_those_found(dirty: tuple[Path, Counter[tuple[str, Reason]]]) -> None:
    folder, planted = dirty
    assert planted == Counter((name, reason) for name in NAMES for reason, _ in walk(folder, name) if reason)


def test_each_reason_is_planted_in_each_kind_of_file(dirty: tuple[Path, Counter[tuple[str, Reason]]]) -> None:
    _, planted = dirty
    order = list(Reason)
    rating = set(order[order.index(Reason.CUSTOMER) :])
    # The sample's titles are as the vendor's, so that no CSV writer's quoting is there to break.
    titles = set(order[order.index(Reason.FILM_ID) : order.index(Reason.FILM_HEADER)]) - {Reason.QUOTES}
    combined = set(order[order.index(Reason.FILM_HEADER) : order.index(Reason.REVIEW_ID)])
    amazon = set(order[order.index(Reason.REVIEW_ID) : order.index(Reason.CUSTOMER)])
    wanted = {MOVIE_TITLES: titles | {Reason.NUL, Reason.HEADER, Reason.FIELDS, Reason.TRAILING_COMMAS}}
    wanted |= {name: combined | rating | {Reason.NUL, Reason.FIELDS} for name in COMBINED_FILES}
    wanted |= {name: amazon | rating | {Reason.FIELDS, Reason.ENCODING, Reason.NUL} for name in AMAZON_NAMES}
    assert {name: {reason for file, reason in planted if file == name} for name in NAMES} == wanted


def test_a_dirty_file_has_the_clean_lines_in_order(
    clean: Path, dirty: tuple[Path, Counter[tuple[str, Reason]]]
) -> None:
    folder, _ = dirty
    for name in NAMES:
        rest = iter(lines_of(folder / name))
        assert all(line in rest for line in lines_of(clean / name)), name
        assert kept(folder, name) == kept(clean, name)


def test_faults_grow_with_the_file(tmp_path: Path) -> None:
    planted = write_sample(tmp_path, netflix=0, amazon=400_000, dirty=True)
    rows = {p.file: p.rows for p in planted if p.reason == Reason.OUTSIDE}
    assert rows["amazon_reviews_us_Video_DVD_v1_00.tsv"] > rows["amazon_reviews_us_Video_v1_00.tsv"]


def test_only_one_file_has_crlf_line_ends(clean: Path, dirty: tuple[Path, Counter[tuple[str, Reason]]]) -> None:
    crlf = {name for name, text in contents(dirty[0]).items() if b"\r" in text}
    assert crlf == {"combined_data_2.txt"}
    text = (dirty[0] / "combined_data_2.txt").read_bytes()
    assert text.count(b"\n") == text.count(b"\r\n")
    assert not any(b"\r" in text for text in contents(clean).values())


def test_titles_have_the_traits_of_the_real_file(clean: Path) -> None:
    films = kept(clean, MOVIE_TITLES)
    titles = [title for _, _, title in films]
    assert [int(film) for film, _, _ in films] == sorted({int(film) for film, _, _ in films})
    assert any("," in title for title in titles)
    assert sum("," in title for title in titles) < len(titles) / 20
    assert any('"' in title for title in titles)
    assert any(not title.isascii() for title in titles)
    assert any(year == "NULL" for _, year, _ in films)
    assert any(" & " in title for title in titles)
    assert any(title.endswith(": Season 1") for title in titles)
    years_of = {title: [year for _, year, other in films if other == title] for title in titles}
    repeated = [years for years in years_of.values() if len(years) > 1]
    assert any(len(set(years)) < len(years) for years in repeated)
    assert any(len(set(years)) > 1 for years in repeated)
    with pytest.raises(UnicodeDecodeError):
        (clean / MOVIE_TITLES).read_bytes().decode()


def test_netflix_ratings_are_those_of_known_films_and_distinct_customers(clean: Path) -> None:
    films = {film for film, _, _ in kept(clean, MOVIE_TITLES)}
    ratings = kept(clean, *COMBINED_FILES)
    assert {film for film, *_ in ratings} <= films
    assert len({(film, customer) for film, customer, *_ in ratings}) == len(ratings)
    assert all(1 <= int(customer) <= 2_649_429 for _, customer, *_ in ratings)
    for name, (first, last) in COMBINED_FILES.items():
        assert {first <= int(film) <= last for film, *_ in kept(clean, name)} == {True}


def test_both_vendors_are_skewed_and_have_a_last_day(clean: Path) -> None:
    netflix = [(film, customer, day) for film, customer, _, day in kept(clean, *COMBINED_FILES)]
    amazon = [(row[3], row[1], row[14]) for row in kept(clean, *AMAZON_NAMES)]
    for ratings, last_day in ((netflix, "2005-12-31"), (amazon, "2015-08-31")):
        products, customers, days = (Counter(column) for column in zip(*ratings, strict=True))
        for counts in (products, customers):
            assert counts.most_common(1)[0][1] > 8 * len(ratings) / len(counts)
        assert max(days) == last_day
        assert days[last_day] > 3


def test_amazon_files_have_the_traits_of_the_real_ones(clean: Path) -> None:
    rows = kept(clean, *AMAZON_NAMES)
    ids = {row[3] for row in rows}
    titles = {row[5] for row in rows}
    bodies = [row[13] for row in rows]
    films = kept(clean, MOVIE_TITLES)
    assert len({row[2] for row in rows}) == len(rows)
    assert any(product.startswith("0") and product.endswith("X") for product in ids)
    assert ids & {film for film, *_ in films}
    assert {row[6] for row in rows} == {"Digital_Video_Download", "Video DVD", "Video"}
    assert Counter((row[1], row[3]) for row in rows).most_common(1)[0][1] > 1
    assert len({(row[3], row[5]) for row in rows}) > len(ids)
    assert titles & {title for *_, title in films}
    for suffix in ("[VHS]", "(Widescreen Edition)", "[Blu-ray]", "[HD]", "(1999)"):
        assert any(f"{title} {suffix}" in titles for *_, title in films), suffix
    assert any(title.replace(" and ", " & ") in titles for *_, title in films if " and " in title)
    assert any(body.count('"') % 2 for body in bodies)
    for text in ("\\", "<br />", "&#34;"):
        assert any(text in body for body in bodies), text
    for name in AMAZON_NAMES:
        assert (clean / name).read_bytes().endswith(b"\n\n\n")
