"""The market study's own settings.

Belongs here: settings that mean nothing to other studies. Does not belong here: shared ones
(`ratings_platform.settings`).
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from ratings_platform.settings import StudySettings

Names = Annotated[tuple[str, ...], NoDecode]

# Netflix's texts that hold no ratings, and what the files of its original delivery are named, one a film.
NO_RATINGS = ("movie_titles.txt", "probe.txt", "qualifying.txt")
ONE_FILM = "mv_*.txt"
_AMAZON = ("amazon_reviews_us_", ".tsv")


class MarketStudySettings(StudySettings):
    """Which vendor files make up the study, and the weight of its Bayesian means."""

    netflix_files: Names = Field(
        tuple(f"combined_data_{n}.txt" for n in range(1, 5)),
        description="Netflix's rating files; a directory with mv_0000001.txt … instead needs no change.",
    )
    amazon_files: Names = Field(
        ("Video_v1_00", "Video_DVD_v1_00", "Digital_Video_Download_v1_00"),
        description="The Amazon file set: what stands between amazon_reviews_us_ and .tsv in each name.",
    )
    bayesian_weight: float = Field(
        100.0, ge=0, description="How many ratings the company's mean weighs in a Bayesian mean."
    )

    @field_validator("netflix_files", "amazon_files", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(v.strip() for v in value.split(",") if v.strip()) if isinstance(value, str) else value

    @field_validator("netflix_files")
    @classmethod
    def _texts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name.casefold().endswith(".txt") for name in value):
            raise ValueError("give the names of rating files, which end in .txt")
        if held := {name.casefold() for name in value} & set(NO_RATINGS):
            raise ValueError(f"{min(held)} holds no ratings: give the names of rating files")
        return value

    @field_validator("netflix_files", "amazon_files")
    @classmethod
    def _plain_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or any(set(name) & set("/\\*?[]") for name in value):
            raise ValueError("give file names separated by commas, without folders or wildcards")
        return value

    @property
    def amazon_names(self) -> tuple[str, ...]:
        return tuple(name.join(_AMAZON) for name in self.amazon_files)


def making_do_with_netflix(found: Sequence[str]) -> str | None:
    """The setting with which the study does with these files of Netflix."""
    texts = [name for name in found if name.casefold().endswith(".txt") and name.casefold() not in NO_RATINGS]
    return _setting("netflix_files", [name for name in texts if not fnmatch(name.casefold(), ONE_FILM)])


def making_do_with_amazon(found: Sequence[str]) -> str | None:
    """The setting with which the study does with these files of Amazon."""
    start, end = map(len, _AMAZON)
    return _setting("amazon_files", [name[start:-end] for name in found])


def _setting(field: str, values: Sequence[str]) -> str | None:
    prefix = str(MarketStudySettings.model_config["env_prefix"])
    return f"{prefix}{field.upper()}={','.join(values)}" if values else None
