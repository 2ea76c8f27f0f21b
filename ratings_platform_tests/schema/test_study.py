"""Declarations of studies: what makes no sense is refused when it is declared."""

from __future__ import annotations

import pytest

from ratings_platform.schema.errors import PlatformError
from ratings_platform.schema.models import Model
from ratings_platform.schema.reading import rejects_table
from ratings_platform.schema.study import Study, refuse_shared_names
from ratings_platform.schema.tables import Column, Table

pytestmark = pytest.mark.unit


def table(name: str, layer: str = "gold", kind: str = "string") -> Table:
    return Table(layer, name, "One row per thing.", (Column("id", "int32", "Its key."), Column("what", kind, "It.")))


def study(*tables: Table, name: str = "made-up", warehouse: tuple[str, ...] = ()) -> Study:
    models = tuple(Model(made, made.unbound) for made in tables)
    return Study(name, "", (), (), (), models, (), warehouse, object, print, rejects=rejects_table(f"{name}_rejects"))


def test_tables_are_known_by_their_names_in_order() -> None:
    found = study(table("a", "silver"), table("b"), warehouse=("b",))
    assert list(found.tables) == ["made-up_rejects", "a", "b"]
    assert [t.path for t in found.warehouse_tables] == ["gold/b"]


@pytest.mark.parametrize("layer", ["gold", "silver"])
def test_two_tables_of_one_name_are_refused(layer: str) -> None:
    with pytest.raises(ValueError, match="study made-up declares two tables of one name: a"):
        study(table("a"), table("b"), table("a", layer))


def test_a_warehouse_of_tables_that_are_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="names tables that it lacks: c, d"):
        study(table("a"), warehouse=("c", "a", "d"))


@pytest.mark.parametrize("kind", ["array<string>", "struct<a: int32>", "map<string, int32>"])
def test_columns_of_many_values_are_refused_in_a_warehouse_and_nowhere_else(kind: str) -> None:
    assert study(table("a", kind=kind), table("b"), warehouse=("b",))
    with pytest.raises(ValueError, match=r"table a cannot be in the warehouse of study made-up: .*\(what\)"):
        study(table("a", kind=kind), table("b"), warehouse=("a", "b"))


def test_studies_share_no_names_of_tables() -> None:
    one, other, third = study(table("a"), name="one"), study(table("b"), name="two"), study(table("a"), name="three")
    refuse_shared_names([one, other])
    with pytest.raises(PlatformError, match=r"table a is declared by the studies one and three\. Give it another"):
        refuse_shared_names([one, other, third])
