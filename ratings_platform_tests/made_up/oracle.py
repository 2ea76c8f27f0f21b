"""The made-up study's answers in plain Python, from its vendor files.

Belongs here: reading clean files with `split`, and counting. Does not belong here: anything of the platform.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any


def answers(folder: Path, least_readings: float = 3.0) -> dict[str, list[list[Any]]]:
    """All answers, as JSON gives them."""
    stations = [line.split(",") for line in _lines(folder / "stations.csv")]
    readings: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for file in sorted(folder.glob("readings_*.txt")):
        for line in _lines(file):
            station, day, degrees, _ = line.split(";", 3)
            readings[station].append((day, float(degrees)))
    regions: dict[str, list[list[tuple[str, float]]]] = defaultdict(list)
    for station, _, region in stations:
        regions[region or "unknown"].append(readings[station])
    means = {
        station: sum(degrees for _, degrees in found) / len(found)
        for station, found in readings.items()
        if found and len(found) >= least_readings
    }
    names = {station: name for station, name, _ in stations}
    return {
        "w1_regions": [
            [region, len(found), sum(map(len, found)), max((d for one in found for _, d in one), default=None)]
            for region, found in sorted(regions.items())
        ],
        "w2_warmest_stations": [
            [int(s), names[s], len(readings[s]), max(day for day, _ in readings[s]), means[s]]
            for s in sorted(means, key=lambda s: (-means[s], int(s)))[:10]
        ],
        "w3_silent_stations": [
            [int(station), name, region or None]
            for station, name, region in sorted(stations, key=lambda row: int(row[0]))
            if not readings[station]
        ],
    }


def _lines(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()
