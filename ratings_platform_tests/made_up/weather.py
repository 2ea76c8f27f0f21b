"""A small study that nobody needs: weather stations and their readings, with a table of every kind that there is.

Belongs here: the declaration of text with rejects, a table cut by year, keys that are given once, sums, questions, a
warehouse with migrations; and a sample of any size. Does not belong here: what is tested with it, and its answers in
plain Python (`oracle`).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
import polars as pl
from pydantic import Field

from ratings_platform.schema.errors import SourceError
from ratings_platform.schema.models import Model, Question
from ratings_platform.schema.reading import Count, Parsed, SourceFile, rejects_table
from ratings_platform.schema.study import Ingest, Plot, Reconciliation, Study, VendorFiles
from ratings_platform.schema.tables import Column, Table
from ratings_platform.settings import StudySettings

YEARS = (2001, 2002, 2003, 2004)
STATIONS = 60


class WeatherSettings(StudySettings):
    """The study's own settings."""

    least_readings: float = Field(3.0, ge=0, description="Readings that a station needs to be among the warmest.")


# --- Tables ----------------------------------------------------------------------------------------------------------


def _station_id(**more: str) -> Column:
    return Column("station_id", "int32", "The vendor's number of the station.", minimum=1, **more)


def _day() -> Column:
    return Column("day", "date", "Day of the reading.", minimum=f"{YEARS[0]}-01-01", maximum=f"{YEARS[-1]}-12-31")


_NAME = Column("name", "string", "Name of the station.")
_REGION = Column(
    "region", "string", "Region; empty where the vendor knows none.", nullable=True, allowed=("north", "south")
)
_DEGREES = Column("degrees", "float64", "Degrees Celsius.", minimum=-99.9, maximum=99.9)
_NOTE = Column("note", "string", "What the observer noted.", nullable=True)
_YEAR = Column("year", "int32", "Year of the reading; the partition.", minimum=YEARS[0], maximum=YEARS[-1])
_KEY = Column("station_key", "int32", "Surrogate key.", minimum=1)
_OF_STATION = Column("station_key", "int32", "The station.", references="dim_station.station_key")

LISTED = Table("bronze", "stations_listed", "One row per station.", (_station_id(), _NAME, _REGION), ("station_id",))
DELIVERED = Table(
    "bronze",
    "readings_delivered",
    "One row per reading.",
    (_station_id(references="stations_listed.station_id"), _day(), _DEGREES, _NOTE),
    time_column="day",
)
READINGS = Table(
    "silver",
    "station_readings",
    "One row per reading.",
    (_station_id(), _day(), _DEGREES, _NOTE, _YEAR),
    partition_by="year",
    time_column="day",
)
KEYS = Table("gold", "station_keys", "One row per station ever seen.", (_KEY, _station_id()), ("station_id",))
STATION = Table("gold", "dim_station", "One row per station.", (_KEY, _station_id(), _NAME, _REGION), ("station_key",))
FACT = Table(
    "gold",
    "fact_reading",
    "One row per reading.",
    (_OF_STATION, _day(), _DEGREES, _YEAR),
    partition_by="year",
    time_column="day",
    indexes=(("day",),),
)
SUMS = Table(
    "gold",
    "station_sums",
    "One row per station with readings.",
    (
        _OF_STATION,
        Column("readings", "int64", "Readings of the station.", minimum=1),
        Column("tenths", "int64", "Sum of their tenths of degrees: whole numbers have the same sum in any order."),
        Column("last_day", "date", "Day of the latest."),
    ),
    ("station_key",),
)
REJECTS = rejects_table("weather_rejects")


# --- Readers ---------------------------------------------------------------------------------------------------------

NO_STATION, NO_READING = "not like id,name,region", "not like station;day;degrees;note"
NO_DAY, UNKNOWN = "no such day in the study's years", "station is not in stations.csv"
REASONS = {NO_STATION, NO_READING, NO_DAY, UNKNOWN}
_FIELDS = {
    "stations": r"^(?<station_id>[1-9][0-9]{0,8}),(?<name>[^,\r]+),(?<region>[^,\r]*)\r?$",
    "readings": r"^(?<station_id>[1-9][0-9]{0,8});(?<day>[0-9]{4}-[0-9]{2}-[0-9]{2});"
    r"(?<degrees>-?[0-9]{1,2}\.[0-9]);(?<note>[^\r]*)\r?$",
}


def read_stations(files: Sequence[SourceFile], known: Mapping[str, pl.LazyFrame]) -> Parsed:
    lines = _lines(files, "stations").with_columns(pl.col("station_id").cast(pl.Int32))
    return _parsed(files, LISTED, lines, [(NO_STATION, pl.col("station_id").is_null())])


def read_readings(files: Sequence[SourceFile], known: Mapping[str, pl.LazyFrame]) -> Parsed:
    stations = known[LISTED.name].select("station_id").collect().to_series()
    lines = _lines(files, "readings").with_columns(
        pl.col("station_id").cast(pl.Int32),
        pl.col("day").str.to_date("%Y-%m-%d", strict=False),
        pl.col("degrees").cast(pl.Float64),
        no_reading=pl.col("station_id").is_null(),
    )
    faults = [
        (NO_READING, pl.col("no_reading")),
        (NO_DAY, ~pl.col("day").is_between(date(YEARS[0], 1, 1), date(YEARS[-1], 12, 31))),
        (UNKNOWN, ~pl.col("station_id").is_in(stations.implode())),
    ]
    return _parsed(files, DELIVERED, lines, faults)


def _lines(files: Sequence[SourceFile], kind: str) -> pl.LazyFrame:
    for file in files:
        with file.path.open("rb") as opened:
            head = opened.read(1 << 16)
        if file.from_start and b"\0" in head:
            raise SourceError("is no plain text", file=file.name, line=1, remedy="Fetch the file again.")
        text = [line for line in head.decode(errors="replace").split("\n") if line.strip()]
        if file.from_start and not any(re.search(_FIELDS[kind].replace("?<", "?P<"), line) for line in text[:20]):
            raise SourceError(f"does not look like {kind}", file=file.name, line=1, remedy="Put the right file there.")
    found = pl.scan_lines(
        [file.path for file in files],
        row_index_name="index",
        row_index_offset=1,
        include_file_paths="path",
        glob=False,
    )
    return (
        found.filter(pl.col("line").str.strip_chars() != "")
        .with_columns(pl.col("line").str.extract_groups(_FIELDS[kind]).alias("fields"))
        .unnest("fields")
    )


def _parsed(
    files: Sequence[SourceFile], table: Table, lines: pl.LazyFrame, faults: Sequence[tuple[str, pl.Expr]]
) -> Parsed:
    reason = pl.coalesce(pl.when(fault.fill_null(True)).then(pl.lit(reason)) for reason, fault in faults)
    texts = [c.name for c in table.columns if c.nullable]
    kept = lines.filter(reason.is_null()).with_columns(pl.col(texts).replace("", None))
    names = {str(file.path): file.name for file in files}
    first = pl.col("path").replace_strict(dict(zip(names, _first_lines(files), strict=True)))
    rejects = lines.select(
        file=pl.col("path").replace_strict(names),
        line=(pl.col("index").cast(pl.Int64) - first),
        reason=reason,
        raw=pl.col("line").str.strip_suffix("\r"),
    )
    return Parsed(
        kept.select(c.name for c in table.columns),
        rejects.filter(pl.col("reason").is_not_null()),
        pl.LazyFrame([Count(_line_count(files), sum(_line_count([file], blank=True) for file in files))]),
    )


def _first_lines(files: Sequence[SourceFile]) -> list[int]:
    """How many lines of a unit stand before each file."""
    counts = [_line_count([file]) for file in files]
    return [sum(counts[:n]) for n in range(len(files))]


def _line_count(files: Sequence[SourceFile], *, blank: bool = False) -> int:
    found = [line for file in files for line in file.path.read_bytes().removesuffix(b"\n").split(b"\n")]
    return sum(not line.strip() for line in found) if blank else len(found)


# --- Models and questions --------------------------------------------------------------------------------------------


def _station_readings(readings_delivered: ir.Table) -> ir.Table:
    return readings_delivered.mutate(year=readings_delivered.day.year().cast("int64").cast("int32"))


def _station_keys(stations_listed: ir.Table, station_keys: ir.Table) -> ir.Table:
    """Keys given before, as they are, and the next free ones for stations not seen before."""
    new = stations_listed.anti_join(station_keys, "station_id")
    last = station_keys.agg(last=station_keys.station_key.max().fill_null(0))
    placed = new.select("station_id", place=ibis.row_number().over(order_by=new.station_id) + 1).cross_join(last)
    added = placed.select(station_key=(placed.last + placed.place).cast("int32"), station_id=placed.station_id)
    old, added = (
        part.select(**{name: part[name].cast(dtype(nullable=True)) for name, dtype in KEYS.ibis_schema.items()})
        for part in (station_keys, added)
    )
    return old.union(added)


def _dim_station(stations_listed: ir.Table, station_keys: ir.Table) -> ir.Table:
    return stations_listed.join(station_keys, "station_id").select(*STATION.ibis_schema)


def _fact_reading(station_readings: ir.Table, dim_station: ir.Table) -> ir.Table:
    return station_readings.join(dim_station, "station_id").select(*FACT.ibis_schema)


def _station_sums(fact_reading: ir.Table) -> ir.Table:
    # By way of a float: DuckDB's sum of whole numbers has 128 bits, and Ibis leaves out a cast to the type it expects.
    tenths = (fact_reading.degrees * 10).round().cast("int64").sum().cast("float64").cast("int64")
    return fact_reading.group_by("station_key").agg(
        readings=fact_reading.count(), tenths=tenths, last_day=fact_reading.day.max()
    )


def _regions(dim_station: ir.Table, fact_reading: ir.Table) -> ir.Table:
    known = dim_station.mutate(region=dim_station.region.fill_null("unknown"))
    joined = known.left_join(fact_reading, "station_key")
    return joined.group_by("region").agg(
        stations=joined.station_key.nunique(), readings=joined.degrees.count(), warmest=joined.degrees.max()
    )


def _warmest(dim_station: ir.Table, station_sums: ir.Table, *, least_readings: float) -> ir.Table:
    enough = station_sums.filter(station_sums.readings >= ibis.literal(least_readings, "float64"))
    joined = enough.join(dim_station, "station_key")
    mean = joined.tenths.cast("float64") / 10 / joined.readings.cast("float64")
    means = joined.select("station_id", "name", "readings", "last_day", mean=mean)
    return means.order_by(means.mean.desc(), means.station_id).limit(10)


def _silent(dim_station: ir.Table, fact_reading: ir.Table) -> ir.Table:
    return dim_station.anti_join(fact_reading, "station_key").select("station_id", "name", "region")


_REGIONS = Table(
    "answers",
    "w1_regions",
    "One row per region.",
    (
        Column("region", "string", "The region."),
        Column("stations", "int64", "Stations there.", minimum=1),
        Column("readings", "int64", "Their readings.", minimum=0),
        Column("warmest", "float64", "The highest of these.", nullable=True),
    ),
    ("region",),
)
_WARMEST = Table(
    "answers",
    "w2_warmest_stations",
    "One row per station of the ten warmest.",
    (
        _station_id(),
        _NAME,
        Column("readings", "int64", "Its readings."),
        Column("last_day", "date", "Day of the latest."),
        Column("mean", "float64", "Their mean."),
    ),
    ("station_id",),
)
_SILENT = Table(
    "answers", "w3_silent_stations", "One row per station.", (_station_id(), _NAME, _REGION), ("station_id",)
)

QUESTIONS = (
    Question(_REGIONS, _regions, question="How warm is each region?", definition="Readings of all.", order=("region",)),
    Question(
        _WARMEST,
        _warmest,
        question="Which stations are the warmest?",
        definition="By the mean of their readings; those with few do not count.",
        order=("-mean", "station_id"),
    ),
    Question(
        _SILENT,
        _silent,
        question="Which stations have no reading?",
        definition="Stations that are listed and nothing else.",
        order=("station_id",),
    ),
)


# --- A sample --------------------------------------------------------------------------------------------------------


class Planted(NamedTuple):
    """Faults planted in a file: lines that have to be rejected."""

    file: str
    reason: str
    rows: int


_FAULTS = {
    "stations.csv": [(NO_STATION, "id,name,region"), (NO_STATION, "7,Seven")],
    "readings_1.txt": [(NO_READING, "1;2001-01-01;warm;"), (NO_READING, "1"), (NO_DAY, "1;2001-02-29;1.0;")],
    "readings_2.txt": [(NO_DAY, "1;1999-12-31;1.0;"), (UNKNOWN, "999;2001-01-01;1.0;not ours")],
}


def write_sample(
    directory: Path,
    *,
    ratings: int,
    seed: int,
    dirty: bool = False,
    progress: Callable[[int], None] | None = None,
) -> list[Planted]:
    """As many readings as `ratings` says, in two files of lines; some stations have none."""
    chance = random.Random(seed)  # noqa: S311
    names = ["Łódź", "São Tomé", "O'Neil", 'Say "hi"', "Nowhere", "日本", "North; South"]
    listed = [f"{n},{chance.choice(names)} {n},{chance.choice(('', 'north', 'south'))}" for n in range(1, STATIONS + 1)]
    spoken, first = chance.sample(range(1, STATIONS + 1), STATIONS - 5), date(YEARS[0], 1, 1)
    days = [str(first + timedelta(n)) for n in range((date(YEARS[-1], 12, 31) - first).days + 1)]
    notes = ["", "", "", "fog", 'said: "a, b"', "föhn"]
    lines = []
    directory.mkdir(parents=True, exist_ok=True)
    files = {"stations.csv": listed}
    for number, (start, end) in enumerate(pairwise((0, ratings // 2, ratings)), 1):
        count = end - start
        drawn = zip(
            chance.choices(spoken, k=count),
            chance.choices(days, k=count),
            chance.choices(range(-400, 400), k=count),
            chance.choices(notes, k=count),
            strict=True,
        )
        lines = [f"{station};{day};{tenths / 10:.1f};{note}" for station, day, tenths, note in drawn]
        files[f"readings_{number}.txt"] = lines
    for name, content in files.items():
        planted = [line for _, line in _FAULTS[name]] if dirty else []
        for line in planted:
            content.insert(chance.randrange(len(content)), line)
        with (directory / name).open("w", encoding="utf-8", newline="\n") as file:
            for at in range(0, len(content), 1000):
                file.write("\n".join(content[at : at + 1000]) + "\n")
                if progress:
                    progress(len(content[at : at + 1000]) if name != "stations.csv" else 0)
    told = [(name, reason) for name, faults in _FAULTS.items() for reason, _ in faults] if dirty else []
    return [Planted(name, reason, told.count((name, reason))) for name, reason in dict.fromkeys(told)]


# --- The study -------------------------------------------------------------------------------------------------------


def _rows(station_readings: ir.Table) -> ir.Table:
    return station_readings.group_by("station_id").agg(rows=station_readings.count())


def _rows_of_facts(fact_reading: ir.Table, dim_station: ir.Table) -> ir.Table:
    joined = fact_reading.join(dim_station, "station_key")
    return joined.group_by("station_id").agg(rows=joined.count())


STUDY = Study(
    name="weather",
    title="Weather",
    years=YEARS,
    vendors=(
        VendorFiles(
            "weather_office",
            "Stations and readings as delivered.",
            "nobody/weather",
            lambda settings: (
                ["stations.csv", "readings_1.txt", "readings_2.txt"],
                ["stations.csv", "station_*.txt"],
            ),
        ),
    ),
    ingests=(
        Ingest(LISTED, "weather_office", ("stations.csv",), read_stations),
        Ingest(
            DELIVERED,
            "weather_office",
            ("*.txt",),
            read_readings,
            known=(LISTED.name,),
            together=("station_*.txt",),
            cut=re.compile(rb"\n"),
        ),
    ),
    models=(
        Model(READINGS, _station_readings, conserves=(DELIVERED.name,)),
        Model(KEYS, _station_keys),
        Model(STATION, _dim_station, conserves=(LISTED.name,)),
        Model(FACT, _fact_reading, conserves=(READINGS.name,)),
        Model(SUMS, _station_sums),
    ),
    questions=QUESTIONS,
    warehouse=(STATION.name, FACT.name, SUMS.name),
    settings=WeatherSettings,
    write_sample=write_sample,
    rejects=REJECTS,
    migrations=Path(__file__).with_name("migrations"),
    reconciliations=(
        Reconciliation("readings_of_stations", "Each station's readings are silver's.", FACT, _rows_of_facts, _rows),
    ),
    plots=(Plot(READINGS, "Readings by year", "year", "year"),),
)
