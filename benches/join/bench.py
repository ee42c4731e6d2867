"""Measures the point-in-time join beside its peers and prints one table: `run --help` says how.

Results lie in `.twinstore/bench`: `join.md` as printed, and `join.json` with every round.
"""

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path

import flights
import project
from cases import cases, size
from contenders import Bench, contenders
from process import measure, tell
from report import markdown
from rounds import Heat, figures

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
GROUPS = ["latest", "windows", "flights", "skew"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", type=listed, default=GROUPS, help=f"groups of cases: {','.join(GROUPS)}")
    parser.add_argument("--rows", type=listed, default=["10M", "40M"], help="sizes of the log")
    parser.add_argument("--labels", type=listed, default=["100k", "1M"], help="sizes of the spine")
    parser.add_argument("--cores", type=listed, default=["1", "all"], help="1, all or both")
    parser.add_argument("--repeat", type=int, default=3, help="rounds, of which the median is reported")
    parser.add_argument("--root", type=Path, required=True, help="where data and results lie")
    parser.add_argument("--twinstore", type=Path, required=True, help="the binary")
    parser.add_argument("--scan", type=Path, required=True, help="the binary of the bare scan")
    return parser.parse_args()


def listed(text):
    return text.split(",")


def main():
    args = arguments()
    root = args.root.resolve()
    bench = Bench(root, root / "venv" / "bin" / "python", args.twinstore.resolve(), args.scan.resolve())
    cores = [None if text == "all" else int(text) for text in args.cores]
    rows, loads = [], {}
    for case in cases(args.only, [size(text) for text in args.rows], [size(text) for text in args.labels]):
        log_folder = data(bench, "log", case.log)
        spine = data(bench, "spine", case.spine)
        view = f"{project.VIEW_OF[case.service]} of {case.log.name}"
        loads[view] = project.loaded(bench.project_of(case.log), bench.twinstore, log_folder, case.service)
        for count in cores:
            taking_part = contenders(bench, case, log_folder, spine, count or len(os.sched_getaffinity(0)))
            heat = Heat(case.name, case.group, count, [bench.python, HERE / "agreement.py"])
            rows += figures(heat, taking_part, args.repeat)
            write(root, rows, loads)
    if "flights" in args.only:
        rows += flights.figures(bench, REPOSITORY / "examples" / "flights" / "data", args.repeat)
    print(write(root, rows, loads))


def data(bench, kind, what):
    """The path of a log or a spine, generated in a process of its own where it is not there yet."""
    tell(f"{kind} {what.name}")
    command = [bench.python, HERE / "data.py", bench.data, kind, json.dumps(asdict(what))]
    return Path(measure(command).stdout.strip())


def write(root, rows, loads):
    """After every case, so that a run that is stopped leaves what it has."""
    table = markdown(rows, loads)
    (root / "join.md").write_text(table)
    (root / "join.json").write_text(json.dumps({"rows": rows, "backfill_seconds": loads}, indent=1))
    return table


if __name__ == "__main__":
    main()
