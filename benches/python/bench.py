"""The installed package on the sample project: import, a training set from a frame, and reads in process."""

import statistics
import subprocess
import sys
import time

import pandas

ENTITY = {"dest": "LAX", "tailnum": "N338AA", "distance": 2475}
IMPORT = "import time; began = time.perf_counter(); import twinstore; print(time.perf_counter() - began)"


def imported():
    """Seconds that the first import of a process takes."""
    done = subprocess.run([sys.executable, "-c", IMPORT], capture_output=True, text=True, check=True)
    return float(done.stdout)


def quantiles(call, times):
    """The median and the 99th percentile of a call, in microseconds."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        took.append((time.perf_counter() - began) * 1e6)
    return statistics.median(took), statistics.quantiles(took, n=100)[98]


def main(folder):
    import twinstore as ts

    print(f"import: {statistics.median(imported() for _ in range(5)) * 1e3:.0f} ms (median of 5 processes)")
    store = ts.Store(folder)
    store.apply()
    print(f"backfill: {store.backfill(progress=False).rows_loaded:,} rows")
    spine = pandas.read_parquet(f"{folder}/data/departures.parquet")
    median, _ = quantiles(lambda: store.training_set("late_arrival", spine, time="scheduled_departure"), 20)
    print(f"training set of {len(spine):,} labels from a frame: p50 {median / 1e3:.1f} ms")
    for entities in (1, 100):
        given = ENTITY if entities == 1 else {name: [value] * entities for name, value in ENTITY.items()}
        median, slow = quantiles(lambda: store.features("late_arrival", given), 5000)
        print(f"features() of {entities} in process: p50 {median:.0f} µs, p99 {slow:.0f} µs")
    print(f"values as in the log: {store.verify_values().ok}")


main(sys.argv[1])
