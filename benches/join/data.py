"""What the benchmark joins: logs and spines, seeded, and kept from one run to the next.

A log has four float64 features of one entity each row, over 400 days in the order of arrival. Two
rows in a hundred arrive late, by hours to days. A row can be read a minute after its event, so that
the greatest `available_at` and the greatest `event_time` name the same row: a peer's ASOF join and
the point-in-time join then mean the same. No two event times of an entity are equal.

`data.py FOLDER log|spine JSON` writes one that is not there yet and prints where it lies.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cases import Log, Spine

SEED = 20240101
DAY = 86_400_000_000  # microseconds, as all times here
DAYS = 400
START = 1_704_067_200_000_000  # 2024-01-01
DELAY = 60_000_000
FILES = 40
VALUES = ["f1", "f2", "f3", "f4"]
LATE_SHARE = 0.02
NULL_SHARE = 0.01
TIME = pa.timestamp("us", tz="UTC")


def log_files(root: Path, log: Log) -> Path:
    """The folder of a log's Parquet files, written where it is not there yet."""
    return kept(root / log.name, lambda folder: write_log(folder, log))


def spine_file(root: Path, spine: Spine) -> Path:
    """The Parquet file of a spine, written where it is not there yet."""
    folder = kept(root / spine.name, lambda folder: write_spine(folder, spine))
    return folder / "spine.parquet"


def kept(folder: Path, write) -> Path:
    """A folder that is there as a whole or not at all."""
    if not folder.exists():
        partial = folder.with_name(f".{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        write(partial)
        partial.rename(folder)
    return folder


def write_log(folder: Path, log: Log):
    order = np.random.default_rng(SEED).permutation(log.rows) if log.spread == "singletons" else None
    bounds = np.linspace(0, log.rows, FILES + 1).astype(np.int64)
    for number, (first, last) in enumerate(zip(bounds[:-1], bounds[1:])):
        random = np.random.default_rng([SEED, number])
        times = event_times(random, np.arange(first, last), log.rows)
        ids = order[first:last] if order is not None else entities(random, last - first, log)
        columns = {
            "entity_id": pa.array(ids, pa.int64()),
            "event_time": pa.array(times, TIME),
            "available_at": pa.array(times + DELAY, TIME),
        }
        for value in VALUES:
            drawn, null = random.normal(100.0, 25.0, len(ids)), random.random(len(ids)) < NULL_SHARE
            columns[value] = pa.array(drawn, pa.float64(), mask=null)
        pq.write_table(pa.table(columns), folder / f"part-{number:03}.parquet", compression="zstd")


def event_times(random, positions, rows):
    """Rows happen at a steady pace, each at a random moment of its own step. The moments of rows on
    time are even and those of late rows odd, so that they never meet."""
    step = DAYS * DAY // rows
    times = START + positions * step + random.integers(0, step // 2, len(positions)) * 2
    late = random.random(len(positions)) < LATE_SHARE
    behind = random.integers(DAY // 24, 5 * DAY, len(positions)) // 2 * 2 - 1
    return np.where(late, np.maximum(times - behind, START + 1), times)


def entities(random, count, spread_of):
    ids = random.integers(0, spread_of.entities, count)
    if spread_of.spread == "hot_entity":
        ids[random.random(count) < 0.5] = 0
    if spread_of.spread == "one_entity":
        ids[:] = 0
    return ids


def write_spine(folder: Path, spine: Spine):
    random = np.random.default_rng([SEED, spine.rows])
    times = START + random.integers(0, DAYS * DAY, spine.rows)
    if spine.spread == "one_instant":
        times[:] = START + DAYS * DAY // 2
    table = pa.table(
        {
            "entity_id": pa.array(entities(random, spine.rows, spine), pa.int64()),
            "label_time": pa.array(times, TIME),
        }
    )
    pq.write_table(table, folder / "spine.parquet", compression="zstd")


def main():
    root, kind, fields = sys.argv[1:]
    root = Path(root)
    if kind == "log":
        print(log_files(root, Log(**json.loads(fields))))
    else:
        print(spine_file(root, Spine(**json.loads(fields))))


if __name__ == "__main__":
    main()
