"""What the Python package takes beside the command: a training set from a frame of pandas, and online reads in process.

    python benches/python/figures.py FOLDER [COMMAND]

FOLDER is a loaded copy of the flights example. COMMAND is the `twinstore` to compare with, of the same build profile as the
extension; without it the training set is not compared. Each figure is the median of several runs in this order: command,
package, command, package, …
"""

import statistics
import subprocess
import sys
import time

import pandas as pd

import twinstore as ts

SERVICE = "late_arrival"
RUNS = 5
READS = 3_000


def seconds(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def training_sets(store, command):
    """The same training set by the command, from file to file, and by the package, from a frame to a frame."""
    spine = pd.read_parquet(f"{store.folder}/data/departures.parquet")
    flags = ["--service", SERVICE, "--spine", "data/departures.parquet", "--time", "scheduled_departure"]
    run = [command, "--project", store.folder, "training-set", *flags, "--out", "figures.parquet"]
    by_command, by_package = [], []
    for _ in range(RUNS):
        by_command.append(seconds(lambda: subprocess.run(run, check=True, capture_output=True)))
        by_package.append(seconds(lambda: store.training_set(SERVICE, spine, time="scheduled_departure", progress=False)))
    command_s, package_s = statistics.median(by_command), statistics.median(by_package)
    print(f"training set of {len(spine):,} labels: command {command_s:.2f} s, pandas {package_s:.2f} s, "
          f"ratio {package_s / command_s:.2f}")


def reads(store):
    """Online reads in process of one entity and of a hundred."""
    spine = pd.read_parquet(f"{store.folder}/data/departures.parquet").dropna()
    keys = ["tailnum", "origin", "dest", "distance"]
    for entities in [1, 100]:
        requests = [spine[keys].iloc[i * entities : (i + 1) * entities] for i in range(READS // entities)]
        as_dicts = [request.to_dict("list") for request in requests]
        if entities == 1:
            as_dicts = [{name: values[0] for name, values in request.items()} for request in as_dicts]
        store.features(SERVICE, as_dicts[0])
        took = sorted(seconds(lambda: store.features(SERVICE, request)) for request in as_dicts)
        some = ["dest_mean_delay_1d", "origin_wind_speed"]
        two = sorted(seconds(lambda: store.features(SERVICE, request, features=some)) for request in as_dicts)
        print(f"features() of {entities:>3}: 30 features p50 {1e6 * took[len(took) // 2]:.0f} µs, p99 "
              f"{1e6 * took[int(len(took) * 0.99)]:.0f} µs; 2 features p50 {1e6 * two[len(two) // 2]:.0f} µs")


def main():
    store = ts.Store(sys.argv[1])
    reads(store)
    if len(sys.argv) > 2:
        training_sets(store, sys.argv[2])


if __name__ == "__main__":
    main()
