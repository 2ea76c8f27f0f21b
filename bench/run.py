"""Measure the platform against the hand-written reference, both in one run on one machine; prints ratios.

    python bench/run.py [--netflix N] [--amazon N] [--runs K] [--folder DIR] [--rival CHECKOUT] [--only-fixed]

The two take turns, so that a machine whose speed drifts harms both; medians are compared. The data is made by
`ratings-platform sample`'s own maker and kept in the folder for the next time.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

HERE = Path(__file__).parent
PLATFORM = str(Path(sys.executable).with_name("ratings-platform"))


@dataclass(frozen=True)
class Run:
    """One process: wall-clock seconds, peak memory in MiB, and what it printed."""

    seconds: float
    peak: float
    output: str


def measure(command: list[str], **environment: str) -> Run:
    """Run a command in a folder that holds no code, so that only `PYTHONPATH` says which is meant."""
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **environment}, text=True, cwd=folder
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        output.seek(0)
        text = output.read()
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{text[-3000:]}")
    return Run(seconds, usage.ru_maxrss / 1024, text)


def make_data(folder: Path, netflix: int, amazon: int) -> Path:
    data = folder / f"data-{netflix}-{amazon}"
    if not data.exists():
        from ratings_platform.studies.market_study.sample import write_sample

        start = time.perf_counter()
        unfinished = data.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        write_sample(unfinished, netflix=netflix, amazon=amazon)
        unfinished.rename(data)
        seconds = time.perf_counter() - start
        print(
            f"sample: {netflix + amazon:,} rows in {seconds:.1f} s = {(netflix + amazon) / seconds / 1e6:.1f} M rows/s"
        )
    return data


def platform(data: Path, home: Path) -> Run:
    shutil.rmtree(home, ignore_errors=True)
    return measure([PLATFORM, "run", "--source", str(data)], RATINGS_HOME=str(home), DAGSTER_HOME="")


def steps(home: Path) -> dict[str, float]:
    """Seconds of each step of the last run in a home."""
    os.environ["DAGSTER_HOME"] = str(home / "dagster")
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_records(limit=1)[0].dagster_run
        stats = instance.get_run_step_stats(run.run_id)
    return {s.step_key: s.end_time - s.start_time for s in stats if s.end_time and s.start_time}


def reference_lap(run: Run, lap: str) -> float:
    found = re.search(rf"^{re.escape(lap)}\s+([\d.]+) s", run.output, re.MULTILINE)
    return float(found.group(1)) if found else float("nan")


def line(what: str, value: str, wanted: str = "") -> None:
    print(f"{what:<58}{value:>16}   {wanted}", flush=True)


def compare(folder: Path, netflix: int, amazon: int, runs: int, *, wanted: bool = True) -> float:
    """The whole study against the reference; returns the platform's median seconds. Small data has no wanted ratio."""
    data, home = make_data(folder, netflix, amazon), folder / "home"
    ours, theirs, reading, their_reading = [], [], [], []
    for _ in range(runs):
        theirs.append(measure([sys.executable, str(HERE / "reference.py"), str(data), str(folder / "reference")]))
        their_reading.append(reference_lap(theirs[-1], "bronze netflix"))
        ours.append(platform(data, home))
        took = steps(home)
        reading.append(took["bronze__ratings_netflix"])
    print(f"\n{netflix:,} Netflix and {amazon:,} Amazon ratings, medians of {runs}")
    seconds = statistics.median(r.seconds for r in ours)
    theirs_seconds = statistics.median(r.seconds for r in theirs)
    line("reference, files to five answers", f"{theirs_seconds:.1f} s", f"peak {max(r.peak for r in theirs):,.0f} MiB")
    line("platform, files to eighteen stored and checked answers", f"{seconds:.1f} s")
    line("ratio", f"{seconds / theirs_seconds:.2f}", "wanted: at most 1.25" if wanted else "")
    line("platform's peak memory", f"{max(r.peak for r in ours):,.0f} MiB", "wanted: at most 4,096")
    bronze = statistics.median(reading)
    line("Netflix files to bronze", f"{netflix / bronze / 1e6:.1f} M rows/s", "wanted: 15, or" if wanted else "")
    line(
        "… against the reference's first step",
        f"{bronze / statistics.median(their_reading):.2f}",
        "wanted: at most 1.20",
    )
    print(
        "slowest steps of the last run: "
        + ", ".join(f"{name} {took[name]:.1f} s" for name in sorted(took, key=lambda n: -took[n])[:8])
    )
    return seconds


def one_year(folder: Path, data: Path, whole: float) -> None:
    """A back-fill of one year, against its share of the partitioned tables' time."""
    home, tables = folder / "home", ["silver/ratings", "gold/fact_rating", "warehouse/fact_rating"]
    only = [part for table in tables for part in ("--only", table)]
    measure([PLATFORM, "run", "--source", str(data), "--years", "2003", *only], RATINGS_HOME=str(home), DAGSTER_HOME="")
    took = steps(home)
    names = [table.replace("/", "__") for table in tables]
    year = sum(took[name] for name in names)
    line("back-fill of 2003 in silver, gold and warehouse", f"{year:.1f} s", f"all years: {whole:.1f} s")


def fixed_costs(folder: Path, runs: int, rival: Path | None) -> None:
    """What a run costs beside its data: the demo, a back-fill of one year of its sample, and loading the code.

    With the checkout of another version beside, the two take turns.
    """
    print("\nwhat a run costs beside its data")
    trees = {"here": HERE.parent, **({"rival": rival.absolute()} if rival else {})}
    homes = {name: folder / f"demo-{name}" for name in trees}
    demos, years, loads = ({name: [] for name in trees} for _ in range(3))
    load = "from ratings_platform.definitions import defs; defs().resolve_asset_graph()"
    only = [
        part for table in ("silver/ratings", "gold/fact_rating", "warehouse/fact_rating") for part in ("--only", table)
    ]
    for _ in range(runs):
        for name, tree in trees.items():
            shutil.rmtree(homes[name], ignore_errors=True)
            own = {"RATINGS_HOME": str(homes[name]), "DAGSTER_HOME": "", "PYTHONPATH": str(tree)}
            demos[name].append(measure([PLATFORM, "demo"], **own).seconds)
            years[name].append(measure([PLATFORM, "run", "--years", "2003", *only], **own).seconds)
            loads[name].append(measure([sys.executable, "-c", load], **own).seconds)
    events = count_events(homes["here"])
    seconds = statistics.median(demos["here"])
    for what, found, wanted in (
        ("demo, 200,000 ratings, command to answers", demos, "at most 15 s"),
        ("back-fill of one year of the demo's sample", years, ""),
        ("the code location loads", loads, "under 3 s"),
    ):
        line(what, f"{statistics.median(found['here']):.2f} s", f"wanted: {wanted}" if wanted else "")
        if rival:
            ratio = statistics.median(found["here"]) / statistics.median(found["rival"])
            line("… against the rival", f"{ratio:.2f}", f"rival: {statistics.median(found['rival']):.2f} s")
    line("events of the demo's run", f"{events:,}", f"{seconds / events * 1000:.1f} ms of the demo for each")
    line("ratings-platform --help", f"{measure([PLATFORM, '--help']).seconds:.2f} s", "wanted: under 0.5")
    for home in homes.values():
        shutil.rmtree(home)


def count_events(home: Path) -> int:
    """Events of the first run in a home, which is the demo's."""
    os.environ["DAGSTER_HOME"] = str(home / "dagster")
    with dg.DagsterInstance.get() as instance:
        return len(instance.all_logs(instance.get_runs()[-1].run_id))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--netflix", type=int, default=76_500_000)
    parser.add_argument("--amazon", type=int, default=2_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("data/bench"))
    parser.add_argument("--rival", type=Path, help="checkout of another version, to compare the fixed costs with")
    parser.add_argument("--only-fixed", action="store_true", help="leave the large data out")
    args = parser.parse_args()
    folder = args.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if args.only_fixed:
        fixed_costs(folder, args.runs, args.rival)
        return
    large = compare(folder, args.netflix, args.amazon, args.runs)
    took = steps(folder / "home")
    whole = sum(took[n] for n in ("silver__ratings", "gold__fact_rating", "warehouse__fact_rating"))
    one_year(folder, make_data(folder, args.netflix, args.amazon), whole)
    small = compare(folder, args.netflix // 10, args.amazon // 10, args.runs, wanted=False)
    line("ten times the rows, times as long", f"{large / small:.1f}", "wanted: at most 11")

    fixed_costs(folder, args.runs, args.rival)


if __name__ == "__main__":
    main()
