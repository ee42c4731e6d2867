"""Measures online reads beside their peers and prints one table: `run --help` says how.

Contenders take turns, round after round; the median of the rounds counts. In each turn the load
generator first asks without pause, which finds how many requests a second are answered, and then at
half of that, at moments fixed before. Results lie in `.twinstore/bench`: `online.md` as printed, and
`online.json` with every round.
"""

import argparse
import json
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import redis_side
from cases import cases
from contenders import MGET, TWINSTORE, Servers, load
from process import cores, tell
from report import markdown

HERE = Path(__file__).resolve().parent
GROUPS = ["ten", "flat", "windows", "on-demand"]
WINDOW_ROWS = 336  # half-hours of a week
# What --quick takes where nothing else is said: everything once, in under two minutes.
QUICK = {
    "entities": 20_000,
    "flat_entities": 1_000,
    "window_entities": 500,
    "seconds": 1.0,
    "repeat": 1,
    "batches": [1],
    "patience": 1,
    "feast_workers": 2,
    "feast_all_cores": False,
}


@dataclass(frozen=True)
class Data:
    """The files of each source, and their entities."""

    name: str
    entities: dict
    paths: dict


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    option = parser.add_argument
    option("--quick", action="store_true", help="small data and one short round, in under two minutes")
    option("--only", type=listed, default=GROUPS, help=f"groups of cases: {','.join(GROUPS)}")
    option("--batches", type=numbers, default=[1, 50], help="entities in a request")
    option("--entities", type=int, default=1_000_000, help="with ten features")
    option("--flat-entities", type=int, default=100_000, help="with twenty features, in one view and in twenty")
    option("--window-entities", type=int, default=10_000, help=f"with {WINDOW_ROWS} rows each")
    option("--seconds", type=float, default=5.0, help="of each measurement, after two of warming up")
    option("--repeat", type=int, default=3, help="rounds, of which the median is reported")
    option("--others", type=float, default=0.05, help="share of the cores beyond which a round is not quiet")
    option("--patience", type=int, default=3, help="how often a round that is not quiet is taken, to keep the best")
    option("--arrivals", choices=["poisson", "constant"], default="poisson", help="of the open loop")
    option("--feast", action=argparse.BooleanOptionalAction, default=True, help="the peer, which needs Redis")
    option("--feast-workers", type=int, default=4, help="of `feast serve`")
    option("--feast-all-cores", action=argparse.BooleanOptionalAction, default=True, help="also unpinned")
    option("--feast-protocol", action=argparse.BooleanOptionalAction, default=True, help="also our /get-online-features")
    option("--redis", action="store_true", help="also twinstore over Redis, and what Redis does at best")
    option("--root", type=Path, required=True, help="where data and results lie")
    option("--twinstore", type=Path, required=True, help="the binary")
    option("--load", type=Path, required=True, help="the load generator's")
    option("--echo", type=Path, required=True, help="the echo's")
    if parser.parse_known_args()[0].quick:
        parser.set_defaults(**QUICK)
    return parser.parse_args()


def listed(text):
    return text.split(",")


def numbers(text):
    return [int(number) for number in listed(text)]


def main():
    args = arguments()
    args.here, args.results = HERE, args.root.resolve()
    args.root = args.results / "online"
    if (args.feast or args.redis) and not redis_side.installed():
        raise SystemExit("redis-server and redis-benchmark are needed: install Debian's redis, or say --no-feast")
    generator, servers = cores()
    data = generated(args)
    machine = {"generator": generator, "servers": servers, "model": model()}
    rows = []
    with ExitStack() as stack:
        started = Servers(args, stack, generator, servers, data)
        taking_part = started.all()
        for case in cases(args.only, args.batches):
            rows += figures(args, case, taking_part, started, generator)
            table = write(args, machine, rows, started.loads)
    print(table)


def generated(args):
    """The sources' files, each generated in a process of its own where it is not there yet."""
    entities = {"ten": args.entities, "flat": args.flat_entities, "windowed": args.window_entities}
    paths = {}
    for name, count in entities.items():
        file = f"{name}-{count}"
        rows_each = WINDOW_ROWS if name == "windowed" else 1
        python = args.results / "venv" / "bin" / "python"
        where = args.root / "data"
        subprocess.run([python, HERE / "data.py", where, file, str(count), str(rows_each)], check=True)
        paths[name] = where / f"{file}.parquet"
    return Data("-".join(map(str, entities.values())), entities, paths)


def figures(args, case, taking_part, started, generator):
    """A row of the table for each contender of a case."""
    taking_part = [contender for contender in taking_part if contender.kind in case.contenders]
    answer = args.root / "answer"
    if "echo" in case.contenders:
        ours, entities = taking_part[0], started.data.entities[case.source]
        load(args, ours, case, entities, generator, ["--rates", 10, "--seconds", 0.1, "--save-answer", answer])
        taking_part += [started.echo(answer, messages) for messages in (False, True)]
    rounds, failed = {contender.name: [] for contender in taking_part}, set()
    for number in range(args.repeat):
        for contender in taking_part:
            if contender.name in failed:
                continue
            try:
                seen = quiet(args, contender, case, started.data.entities[case.source], generator, number)
            except RuntimeError as failure:
                if contender.name == TWINSTORE:
                    raise
                tell(str(failure))
                failed.add(contender.name)
                continue
            tell(f"  {case.name}, round {number + 1}: {contender.name} {seen['capacity']['requests_per_s']:,.0f}/s")
            rounds[contender.name].append(seen)
    return [
        {
            "case": case.name,
            "group": case.group,
            "batch": case.batch,
            "contender": contender.name,
            "cores": contender.cores,
            "rounds": [] if contender.name in failed else rounds[contender.name],
        }
        for contender in taking_part
    ]


def quiet(args, contender, case, entities, generator, number):
    """A round while others leave the server's cores alone, or the quietest of some."""
    taken = []
    while len(taken) < args.patience and min((seen["others"] for seen in taken), default=1) > args.others:
        taken.append(once(args, contender, case, entities, generator, number))
    return min(taken, key=lambda seen: seen["others"])


def once(args, contender, case, entities, generator, number):
    if contender.name == MGET:
        rate = redis_side.mgets(contender.port, entities, case.batch, generator, args.seconds)
        return {"capacity": {"requests_per_s": rate}, "open": [], "others": 0}
    warm_up = 2.0 if args.seconds >= 2 else 0.5
    lengths = ["--warm-up", warm_up, "--capacity-seconds", args.seconds, "--seconds", args.seconds]
    more = [*lengths, "--fractions", 0.5, "--arrivals", args.arrivals, "--seed", number + 1]
    return load(args, contender, case, entities, generator, more)


def model():
    """The processor, as Linux names it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def write(args, machine, rows, loads):
    """After every case, so that a run that is stopped leaves what it has."""
    table = markdown(machine, rows, loads)
    (args.results / "online.md").write_text(table)
    (args.results / "online.json").write_text(json.dumps({"machine": machine, "rows": rows, "loads": loads}, indent=1))
    return table


if __name__ == "__main__":
    main()
