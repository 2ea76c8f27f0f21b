"""What a study is: its vendor files, tables, models, questions and checks, as one declaration.

Belongs here: the shape of that declaration, from which assets, checks, commands and documents are made. Does not
belong here: any particular study, and what is made of one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis.expr.types as ir

from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.models import Model, Question
from ratings_platform.schema.reading import REJECTS, Reader
from ratings_platform.schema.tables import Table


@dataclass(frozen=True)
class VendorFiles:
    """One vendor's delivery: what the raw layer holds.

    `layouts` gives, from the study's settings, the ways in which the files may come: each a list of name patterns that
    must all be met; the first layout that is met counts. `kaggle` is the dataset that offers the first layout.
    `making_do` gives, from the names of the files of a delivery that is not whole, the setting (`NAME=value`) with
    which the study does without the rest; None where no setting helps.
    """

    name: str
    description: str
    kaggle: str
    layouts: Callable[[Any], Sequence[Sequence[str]]]
    making_do: Callable[[Sequence[str]], str | None] = lambda found: None


@dataclass(frozen=True)
class Ingest:
    """A bronze table and the reader that fills it from vendor files whose names match one of `patterns`.

    Files matching `excluding` are others', whatever `patterns` says.
    `known` names bronze tables, read before, that the rows may refer to: small ones, since every reader holds them.
    Files matching `together` are many small ones that are read as one unit.

    `cut` matches, in the bytes of a file, what it may be cut after: pieces, each read by itself, then have the rows and
    rejects of the whole, and so have several files read apart. Without it a unit is always read in one go.
    """

    table: Table
    vendor: str
    patterns: tuple[str, ...]
    reader: Reader
    known: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    excluding: tuple[str, ...] = ()
    cut: re.Pattern[bytes] | None = None


@dataclass(frozen=True)
class Reconciliation:
    """A check that two small results are equal: `found` and `expected`, from functions with parameters as models have.

    It stands on `table`, whose rows it vouches for; unless `blocking`, it only warns.
    """

    name: str
    description: str
    table: Table
    found: Callable[..., ir.Table]
    expected: Callable[..., ir.Table]
    blocking: bool = True


@dataclass(frozen=True)
class Plot:
    """Bars that the UI shows with a table: rows counted by the column `position`, one series a value of `series`."""

    table: Table
    title: str
    position: str
    series: str


@dataclass(frozen=True)
class Study:
    """A whole study. `years` are its partitions; `warehouse` names the gold tables that the warehouse holds.

    `migrations` is the folder of the numbered steps by which a warehouse that keeps a schema (MySQL) gets to its
    tables; without one, tables are made when they are loaded and never changed.

    Names of tables are the study's own: no other study may use them, and each has a `rejects` table of its own. Tables
    of the warehouse hold one value in each column, since not every database has arrays and structs.
    """

    name: str
    title: str
    years: tuple[int, ...]
    vendors: tuple[VendorFiles, ...]
    ingests: tuple[Ingest, ...]
    models: tuple[Model, ...]
    questions: tuple[Question, ...]
    warehouse: tuple[str, ...]
    settings: type[Any]
    write_sample: Callable[..., Any]
    reconciliations: tuple[Reconciliation, ...] = ()
    plots: tuple[Plot, ...] = ()
    rejects: Table = REJECTS
    migrations: Path | None = None

    def __post_init__(self) -> None:
        if twice := _repeated(table.name for table in self._declared):
            raise ValueError(f"study {self.name} declares two tables of one name: {', '.join(twice)}")
        if unknown := [name for name in self.warehouse if name not in self.tables]:
            raise ValueError(f"the warehouse of study {self.name} names tables that it lacks: {', '.join(unknown)}")
        for table in self.warehouse_tables:
            if nested := [name for name, kind in table.ibis_schema.items() if kind.is_nested()]:
                raise ValueError(
                    f"table {table.name} cannot be in the warehouse of study {self.name}: not every database has "
                    f"columns of many values ({', '.join(nested)}); give them a table of their own"
                )

    @cached_property
    def tables(self) -> dict[str, Table]:
        """All declared tables by name, in the order in which they are made."""
        return {table.name: table for table in self._declared}

    @cached_property
    def warehouse_tables(self) -> tuple[Table, ...]:
        """All tables of the warehouse: some of gold, and the answers."""
        return (*(self.tables[name] for name in self.warehouse), *(question.table for question in self.questions))

    @property
    def _declared(self) -> list[Table]:
        return [*(i.table for i in self.ingests), self.rejects, *(m.table for m in (*self.models, *self.questions))]


def refuse_shared_names(studies: Iterable[Study]) -> None:
    """Raise PlatformError when two studies declare a table of the same name: a warehouse would have one for both."""
    owners: dict[str, list[str]] = {}
    for study in studies:
        for name in study.tables:
            owners.setdefault(name, []).append(study.name)
    for name, found in owners.items():
        if len(found) > 1:
            raise PlatformError(
                f"table {name} is declared by the studies {' and '.join(found)}",
                remedy="Give it another name in all of them but one: names of tables are unique over all studies.",
            )


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, times in Counter(names).items() if times > 1]
