"""What follows from a changed declaration: statements that add and widen, words where data would suffer, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.study import Study
from ratings_platform.schema.tables import Column, Table
from ratings_platform.studies.market_study.study import STUDY
from ratings_platform.warehouse.mysql_changes import changes
from ratings_platform.warehouse.mysql_migrations import write
from ratings_platform_tests.lake.samples import MARKS, READINGS
from ratings_platform_tests.warehouse.samples import study_of

pytestmark = pytest.mark.unit

NOTE = Column("note", "string", 'Said at 10:30, as :name, {so}, 100 %, C:\\x, "so".', nullable=True)


def with_columns(table: Table, **columns: Column | None) -> Table:
    """A table in which columns are others, or are gone; new ones come first."""
    kept = [columns.get(c.name, c) for c in table.columns]
    new = [c for name, c in columns.items() if c and name not in {c.name for c in table.columns}]
    return replace(table, columns=tuple(filter(None, [*new, *kept])))


@pytest.fixture
def before(tmp_path: Path) -> Study:
    """A study whose tables have been migrated to."""
    folder = tmp_path / "a folder, 100 %:s"
    write(study_of(folder, MARKS), "the tables")
    return study_of(folder, MARKS)


def changed(before: Study, *tables: Table) -> tuple[list[str], list[str]]:
    """Statements, and what is left to do by hand."""
    assert before.migrations
    found = changes(study_of(before.migrations, *tables))
    return [c.statement for c in found if c.statement], [c.by_hand for c in found if c.by_hand]


def test_the_migrations_of_the_study_are_current() -> None:
    assert changes(STUDY) == [], "the tables changed: run `ratings-platform migrations new 'what changed'`"


def test_what_has_not_changed_needs_nothing(before: Study) -> None:
    described = replace(MARKS, description="Other words.", columns=(replace(MARKS.columns[0], description="Someone."),
                        *MARKS.columns[1:]))  # fmt: skip
    assert changed(before, described) == ([], [])
    with pytest.raises(PlatformError, match="have not changed since the last migration"):
        write(study_of(before.migrations, described), "nothing")


def test_additions_become_statements(before: Study) -> None:
    wider = replace(MARKS.columns[1], type="int64", nullable=True)
    marks = replace(with_columns(MARKS, note=NOTE, stars=wider), indexes=(("day", "stars"),))
    statements, by_hand = changed(before, marks, READINGS)
    assert by_hand == []
    assert [" ".join(s.split())[:80] for s in statements] == [
        "ALTER TABLE `marks` ADD COLUMN `note` MEDIUMTEXT NULL COMMENT 'Said at 10:30, as",
        "ALTER TABLE `marks` MODIFY COLUMN `stars` BIGINT NULL COMMENT 'How many.'",
        "ALTER TABLE `marks` ADD INDEX `by_day_stars` (`day`, `stars`)",
        "CREATE TABLE IF NOT EXISTS `readings` ( `name` MEDIUMTEXT NULL COMMENT 'Who; it'",
    ]
    assert statements[0].endswith(" FIRST, ALGORITHM=INPLACE")
    last = replace(MARKS, columns=(*MARKS.columns, NOTE))
    assert changed(before, last)[0][0].endswith(" AFTER `year`, ALGORITHM=INPLACE")


def test_an_index_holds_no_data(before: Study) -> None:
    write(study_of(before.migrations, replace(MARKS, indexes=(("day",),))), "an index")
    assert changed(before, MARKS) == (["ALTER TABLE `marks` DROP INDEX `by_day`"], [])


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (with_columns(MARKS, stars=None), "column marks.stars is declared no more: dropping it would lose its values"),
        (with_columns(MARKS, day=replace(MARKS.columns[2], type="timestamp")), "DATE NOT NULL, now declared DATETIME"),
        (with_columns(MARKS, name=replace(MARKS.columns[0], nullable=False)), "MEDIUMTEXT NULL, now declared MEDIUM"),
        (with_columns(MARKS, name=replace(MARKS.columns[0], allowed=("a",))), "MEDIUMTEXT NULL, now declared VARCHAR"),
        (
            with_columns(MARKS, seen=replace(MARKS.columns[2], name="seen")),
            "column marks.seen has no day for rows that",
        ),
        (replace(MARKS, columns=MARKS.columns[::-1]), "the columns of marks are declared in another order"),
        (replace(MARKS, partition_by=None), "partition_by of marks was year, now declared None"),
        (replace(MARKS, key=("year", "stars")), "key of marks was [], now declared ['year', 'stars']"),
        (READINGS, "table marks is declared no more: it stays, with its rows"),
    ],
    ids=["gone", "type", "missing values", "shorter", "no default", "order", "partitions", "key", "table"],
)
def test_what_data_would_suffer_from_is_left_to_people(before: Study, table: Table, told: str) -> None:
    statements, by_hand = changed(before, table)
    assert [line for line in by_hand if told in line], by_hand
    assert not [s for s in statements if "DROP" in s or "MODIFY" in s]
    path, written = write(study_of(before.migrations, table), "by hand")
    assert written == by_hand
    assert f"    # By hand: {by_hand[0]}.\n" in path.read_text()
    assert changed(before, table) == ([], [])


def test_migrations_are_numbered_and_named(before: Study) -> None:
    path, _ = write(study_of(before.migrations, with_columns(MARKS, note=NOTE)), "Add a note; it's new")
    assert before.migrations
    assert sorted(p.name for p in before.migrations.glob("*.*")) == [
        "0001_the_tables.py", "0002_add_a_note_it_s_new.py", "tables.json",
    ]  # fmt: skip
    text = path.read_text()
    assert text.startswith('"""Add a note; it\'s new.\n\nBelongs here: ')
    assert 'revision = "0002"\ndown_revision = "0001"\n' in text


@pytest.mark.parametrize(
    ("name", "down"),
    [("0003_gap.py", "0001"), ("0001_twice.py", None), ("0002_elsewhere.py", None), ("0002_lost.py", "0007")],
)
def test_numbers_that_are_no_line_are_told(before: Study, name: str, down: str | None) -> None:
    assert before.migrations
    source = f"revision = {name[:4]!r}\ndown_revision = {down!r}\ndef upgrade(): pass\n"
    (before.migrations / name).write_text(source)
    with pytest.raises(PlatformError, match=f"not one line of numbers: 0001_.*{name}") as caught:
        write(study_of(before.migrations, READINGS), "more")
    assert "\n" not in str(caught.value)


def test_a_study_without_a_folder_is_told() -> None:
    with pytest.raises(PlatformError, match="throw-away has no migrations"):
        write(study_of(None, MARKS), "the tables")
