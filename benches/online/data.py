"""The data of the benchmark, written where it is not there yet: `data.py FOLDER NAME ENTITIES ROWS_EACH`.

Feature `f3` of entity 17 is (17 * 32 + 3) / 7, so that the load generator can check an answer without
the data: seventeen digits each, as measured values have.

One row each: twenty float64 features, as of one moment. More rows each: `amount`, evenly over the seven
days before that moment, for windows.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

MOMENT_US = 1_767_225_600_000_000  # 2026-01-01
FEATURES = 20
WEEK_US = 7 * 86_400_000_000
ROWS_A_FILE = 1_000_000


def main():
    folder, name, entities, rows_each = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    path = folder / f"{name}.parquet"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        pq.write_table(latest(entities) if rows_each == 1 else history(entities, rows_each), partial)
        partial.rename(path)


def latest(entities):
    keys = np.arange(entities, dtype=np.int64)
    columns = {"entity_id": keys, "event_time": times(np.full(entities, MOMENT_US - 3_600_000_000))}
    return pa.table(columns | {f"f{number}": (keys * 32 + number) / 7.0 for number in range(FEATURES)})


def history(entities, rows_each):
    keys = np.tile(np.arange(entities, dtype=np.int64), rows_each)
    steps = np.repeat(np.arange(rows_each, dtype=np.int64), entities)
    at = MOMENT_US - WEEK_US + (steps + 1) * (WEEK_US // (rows_each + 1))
    return pa.table({"entity_id": keys, "event_time": times(at), "amount": (keys * 32 + steps % 32) / 7.0})


def times(microseconds):
    return pa.array(microseconds, pa.timestamp("us", tz="UTC"))


if __name__ == "__main__":
    main()
