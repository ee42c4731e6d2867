"""Loads into the log and the online store, and rebuilds of the online store, beside their peers. A case is
ROWS:ENTITIES:VIEW, where VIEW is `latest` (four latest values) or `windows` (count and sum over 1 and 7 days)."""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import redis_side

CASES = "10M:100k:latest,10M:100k:windows,2M:2M:latest"
THREADS = 2
UNITS = {"k": 1_000, "M": 1_000_000}

DEFINITIONS = """\
kind: entity
name: thing
keys: {{entity_id: int64}}
---
kind: source
name: facts
schema: {{entity_id: int64, event_time: timestamp, f1: float64, f2: float64, f3: float64, f4: float64}}
event_time: event_time
assumed_delay: 1m
batch: {{path: "{path}"}}
---
kind: feature_view
name: facts
version: 1
entity: thing
source: facts
features:
{features}
"""

FEATURES = {
    "latest": "".join(f"  {name}: {{latest: {name}}}\n" for name in ("f1", "f2", "f3", "f4")),
    "windows": "".join(
        f"  count_{days}d: {{aggregate: count, window: {days}d}}\n"
        f"  sum_{days}d: {{aggregate: sum(f1), window: {days}d}}\n"
        for days in (1, 7)
    ),
}


def number(text):
    return int(text[:-1]) * UNITS[text[-1]] if text[-1] in UNITS else int(text)


def measured(command):
    """The stdout, the seconds, the seconds of all cores, and the peak of resident bytes of a command."""
    command = [str(part) for part in command]
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints, text=True)
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            complaints.seek(0)
            sys.exit(f"{' '.join(command)}\nended with {process.returncode}:\n{complaints.read()}")
    return out, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def files_of(root, rows, entities):
    """The folder of the source's files, written where it is not there yet."""
    folder = root / f"{rows}-{entities}"
    if not folder.exists():
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        measured([sys.executable, Path(__file__).with_name("copy_rows.py"), "generate", partial, rows, entities])
        partial.rename(folder)
    return folder


def project(folder, files, view, online=None):
    (folder / "features").mkdir(parents=True)
    (folder / "features" / "facts.yaml").write_text(
        DEFINITIONS.format(path=files.resolve() / "*.parquet", features=FEATURES[view])
    )
    if online:
        (folder / "twinstore.toml").write_text(f'[online]\nurl = "{online}"\n')


class Case:
    """One case: what was measured in each round, by the name of the contender."""

    def __init__(self, text, options):
        rows, entities, self.view = text.split(":")
        self.rows, self.entities, self.options = number(rows), number(entities), options
        self.name = f"{rows} rows of {entities} entities, {self.view}"
        self.found = {}

    def note(self, contender, seconds, cpu=None, peak=None):
        self.found.setdefault(contender, []).append((seconds, cpu, peak))

    def round(self):
        files = files_of(self.options.root, self.rows, self.entities)
        with tempfile.TemporaryDirectory(dir=self.options.root) as folder:
            folder = Path(folder)
            copy = [sys.executable, Path(__file__).with_name("copy_rows.py"), "copy", files, folder / "out.parquet"]
            out, _, cpu, peak = measured([*copy, THREADS])
            self.note("DuckDB COPY", float(out), cpu, peak)
            (folder / "out.parquet").unlink()
            project(folder / "project", files, self.view)
            twinstore = [self.options.twinstore, "--project", folder / "project"]
            measured([*twinstore, "apply"])
            self.note("backfill", *measured([*twinstore, "backfill", "facts@1"])[1:])
            self.note("online rebuild", *measured([*twinstore, "online", "rebuild", "facts@1"])[1:])
            if self.options.redis:
                self.redis(folder, files)

    def redis(self, folder, files):
        with redis_side.server() as port:
            project(folder / "redis", files, self.view, f"redis://127.0.0.1:{port}")
            twinstore = [self.options.twinstore, "--project", folder / "redis"]
            measured([*twinstore, "apply"])
            measured([*twinstore, "backfill", "facts@1"])
            redis_side.cli(port, "flushall")
            self.note("online rebuild, Redis", *measured([*twinstore, "online", "rebuild", "facts@1"])[1:])
            sizes = redis_side.sizes(port)
        self.note("pipelined SETs, Redis", redis_side.pipelined(folder, self.entities, *sizes))

    def lines(self):
        peers = {"backfill": "DuckDB COPY", "online rebuild, Redis": "pipelined SETs, Redis"}
        for contender, found in self.found.items():
            middle = [statistics.median(values) if None not in values else None for values in zip(*found)]
            seconds, cpu, peak = middle
            peer = peers.get(contender)
            ratio = statistics.median(f[0] / p[0] for f, p in zip(found, self.found[peer])) if peer else None
            cells = [
                self.name,
                contender,
                f"{seconds:.2f}",
                "" if cpu is None else f"{cpu:.2f}",
                "" if ratio is None else f"{ratio:.2f}",
                f"{self.rows / seconds:,.0f}",
                f"{self.entities / seconds:,.0f}",
                "" if peak is None else f"{peak / 1e6:.0f}",
            ]
            yield f"| {' | '.join(cells)} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="where the source's files are kept")
    parser.add_argument("--twinstore", type=Path, required=True, help="the binary")
    parser.add_argument("--cases", default=CASES, help=f"which cases, by default {CASES}")
    parser.add_argument("--repeat", type=int, default=3, help="rounds, of which the median counts")
    parser.add_argument("--redis", action="store_true", help="also into a Redis, beside pipelined writes")
    options = parser.parse_args()
    options.root.mkdir(parents=True, exist_ok=True)
    print("| case | what | seconds | CPU seconds | of its peer | rows/s | entities/s | peak MB |")
    print("|---|---|---|---|---|---|---|---|")
    for text in options.cases.split(","):
        case = Case(text, options)
        for _ in range(options.repeat):
            case.round()
        for line in case.lines():
            print(line, flush=True)


main()
