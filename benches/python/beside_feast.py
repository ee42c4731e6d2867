"""What a data scientist waits for, beside Feast on the same machine and in the same run: a training set of all departures
of the flights from a frame of pandas, and online reads of one entity in process.

    benches/python/feast [--runs 5] [--reads 2000]

Both have the same views over the same files, and the values are compared. Contenders take turns, and medians are printed.
Feast runs in a process of its own that is started once; what it imports and applies is not measured.
"""

import argparse
import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import pandas as pd

import twinstore as ts

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DATA = ROOT / "examples" / "flights" / "data"
sys.path.append(str(HERE.parent / "join"))

from flights import DEFINITIONS  # noqa: E402

SERVICE = "beside_feast"
KEYS = ["dest", "tailnum", "origin"]
TIME = "scheduled_departure"


class Feast:
    """Feast, in an environment and a process of its own: a request on each line, and an answer on each."""

    def __init__(self, stack, python, folder, redis_port):
        command = [python, "-W", "ignore", HERE / "feast_peer.py", folder, DATA, str(redis_port)]
        self.process = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        stack.callback(self.process.stdin.close)
        self.said()

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self.said()

    def said(self):
        """The next answer; Feast prints other lines, too."""
        for line in self.process.stdout:
            if line.startswith("answer: "):
                return json.loads(line.removeprefix("answer: "))
        sys.exit(f"Feast ended with status {self.process.wait()}")


def seconds(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def redis(stack, folder):
    """A server that keeps nothing on disk: its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--save", "", "--appendonly", "no", "--dir", folder]
    server = stack.enter_context(subprocess.Popen(command, stdout=subprocess.DEVNULL))
    stack.callback(server.terminate)
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return port
        except OSError:
            if time.monotonic() > deadline:
                sys.exit("redis-server does not answer")
            time.sleep(0.05)


def loaded(folder, online_url, with_ttl):
    """A store over a project of these flights. Without a ttl, reads of today have the values of 2013."""
    (folder / "features").mkdir(parents=True)
    definitions = DEFINITIONS.format(data=DATA)
    definitions = definitions if with_ttl else re.sub(r"^ttl: .*\n", "", definitions, flags=re.MULTILINE)
    (folder / "features" / "flights.yaml").write_text(definitions)
    if online_url:
        (folder / "twinstore.toml").write_text(f'online.url = "{online_url}"\n')
    store = ts.Store(folder)
    store.apply()
    store.backfill(progress=False)
    return store


def training_sets(args, folder, feast):
    store = loaded(folder / "training", None, with_ttl=True)
    columns = ["flight_id", TIME, "origin", "dest", "tailnum"]
    frame = pd.read_parquet(DATA / "departures.parquet", columns=columns)
    frame.to_parquet(folder / "departures.parquet")
    flags = ["--service", SERVICE, "--spine", folder / "departures.parquet", "--time", TIME]
    command = [args.twinstore, "--project", store.folder, "training-set", *flags, "--out", folder / "command.parquet"]
    took = {"command": [], "package": [], "feast": []}
    for _ in range(args.runs):
        took["command"].append(seconds(lambda: subprocess.run(command, check=True, capture_output=True)))
        took["package"].append(seconds(lambda: store.training_set(SERVICE, frame, time=TIME, progress=False)))
        took["feast"].append(feast.ask(what="training", departures=str(folder / "departures.parquet"))["seconds"])
    store.training_set(SERVICE, frame, time=TIME, progress=False).to_parquet(folder / "package.parquet")
    feast.ask(what="keep", out=str(folder / "feast.parquet"))
    compare = [args.feast, HERE.parent / "join" / "flights_agreement.py", DATA]
    compared = [*compare, folder / "package.parquet", folder / "feast.parquet"]
    agreement = json.loads(subprocess.run(compared, check=True, capture_output=True, text=True).stdout)
    by = {name: statistics.median(times) for name, times in took.items()}
    print(f"training set of {len(frame):,} departures, 12 features, median of {args.runs}:")
    print(f"  command, from file to file           {by['command']:.2f} s")
    print(f"  package, from a frame of pandas      {by['package']:.2f} s, {by['package'] / by['command']:.2f}× the command")
    print(f"  Feast, get_historical_features       {by['feast']:.2f} s, {by['feast'] / by['package']:.1f}× the package")
    print(f"  {agreement['cells']:,} values compared, {agreement['differ']} differ; "
          f"{agreement['undecided']:,} of several rows at one moment are not compared")


def online_reads(args, folder, feast, redis_port):
    known = pd.read_parquet(DATA / "landings.parquet", columns=["tailnum", "dest"]).dropna().drop_duplicates()
    requests = known.sample(min(args.reads, len(known)), random_state=7)
    requests = requests.assign(origin=["JFK", "LGA", "EWR"] * (len(requests) // 3) + ["JFK"] * (len(requests) % 3))
    requests = requests[KEYS].to_dict("records")
    (folder / "requests.json").write_text(json.dumps(requests))
    stores = {
        "sqlite": ("on disk", loaded(folder / "disk", None, with_ttl=False)),
        "redis": ("on Redis", loaded(folder / "redis-project", f"redis://127.0.0.1:{redis_port}", with_ttl=False)),
    }
    print(f"online reads of one entity in process, 12 features, {len(requests):,} reads:")
    for kind, (where, store) in stores.items():
        for request in requests[:20]:
            store.features(SERVICE, request)
        took, values = [], []
        for request in requests:
            began = time.perf_counter()
            read = store.features(SERVICE, request).to_dict()
            took.append(time.perf_counter() - began)
            values.append(read)
        theirs = feast.ask(what="online", store=kind, requests=str(folder / "requests.json"))
        ours, peer = statistics.median(took), theirs["p50"]
        pairs = [(mine[name], other[name]) for mine, other in zip(values, theirs["values"]) for name in mine]
        same = sum(one == other for one, other in pairs)
        print(f"  package, {where}: p50 {ours * 1e6:.0f} µs, p99 {statistics.quantiles(took, n=100)[98] * 1e6:.0f} µs; "
              f"Feast, {kind}: p50 {peer * 1e6:,.0f} µs, p99 {theirs['p99'] * 1e6:,.0f} µs, {peer / ours:.0f}× the package")
        print(f"    {same:,} of {len(pairs):,} values are the same; others are of several rows at one moment")
        store.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--twinstore", required=True, help="the command, of the same build as the extension")
    parser.add_argument("--feast", required=True, help="the interpreter that has Feast")
    parser.add_argument("--runs", type=int, default=5, help="training sets of each contender")
    parser.add_argument("--reads", type=int, default=2000, help="online reads of each contender")
    args = parser.parse_args()
    args.feast = str(Path(args.feast).absolute())
    if shutil.which("redis-server") is None:
        sys.exit("there is no redis-server: install it (apt-get install redis-server)")
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        folder = Path(scratch)
        port = redis(stack, folder)
        feast = Feast(stack, args.feast, folder / "feast", port)
        training_sets(args, folder, feast)
        online_reads(args, folder, feast, port)


if __name__ == "__main__":
    main()
