"""The table, and the aims that it is held against.

Ratios are of medians on one machine at one time, so that they can be read where rates cannot.
"""

import statistics

from contenders import (
    BYTES,
    ECHO,
    ECHO_MESSAGES,
    FEAST,
    FEAST_HTTP,
    HTTP,
    MGET,
    OVER_REDIS,
    ROWS,
    TWINSTORE,
)

COLUMNS = ["case", "contender", "cores", "rounds", "requests/s", "of twinstore", "CPU µs a request"]
COLUMNS += ["p50 ms", "p99 ms", "p99.9 ms", "generator's own p99 ms", "others", "refused or late"]
# A generator that is busier than this may have been the limit itself.
BUSY = 0.9
# Rates and latencies of a round in which others took more of the cores say nothing.
NOT_QUIET = 0.1


def markdown(machine, rows, loads):
    generator, servers = (", ".join(map(str, machine[name])) for name in ("generator", "servers"))
    lines = [
        f"{machine['model']}. The generator runs on core {generator}, servers (with their Redis) on core "
        f"{servers}. gRPC: 8 connections with up to 8 requests in flight each; HTTP: 64 connections. Latency is "
        "that of an open loop at half of the requests/s, counted from when a request was due. CPU is that of the "
        "server and of its Redis. Others: how much of the server's cores went to other work, at most; where it is "
        "much, or the generator's own delay is of the size of a latency, the machine was not quiet.",
        "",
        f"| {' | '.join(COLUMNS)} |",
        "|---" * len(COLUMNS) + "|",
    ]
    for row in rows:
        if not row["rounds"]:
            lines.append(f"| {row['case']} | {row['contender']} | failed{' |' * (len(COLUMNS) - 2)}")
            continue
        ours = beside(rows, row, TWINSTORE)
        cells = [
            row["case"],
            row["contender"],
            "+".join(map(str, row["cores"])),
            len(row["rounds"]),
            f"{rate(row):,.0f}{' (generator busy)' if busy(row) else ''}",
            f"{rate(row) / rate(ours):.2f}" if ours else "",
            number(cpu(row)),
            *(number(latency(row, quantile)) for quantile in ("p50", "p99", "p999")),
            number(latency(row, "p99", "own_delay_us")),
            f"{others(row):.0%}",
            failures(row),
        ]
        lines.append(f"| {' | '.join(map(str, cells))} |")
    lines += ["", "| aim | measured | |", "|---|---|---|"]
    found = [*aims(rows), *aims_of_loads(loads)]
    lines += [f"| {aim} | {measured:.2f} | {'met' if met else 'missed'} |" for aim, measured, met in found]
    if any(others(row) > NOT_QUIET for row in rows):
        lines += ["", "The machine was not quiet in all rounds: of those rows only CPU can be compared."]
    lines += ["", "| loading, one round | |", "|---|---|"]
    lines += [f"| {name} | {measured:,.0f} |" for name, measured in loads.items()]
    return "\n".join(lines) + "\n"


def aims(rows):
    """Each aim that these rows can answer: what it is, the figure, whether it is met."""
    found = []
    for ours in (row for row in rows if row["rounds"]):
        case = ours["case"]
        if ours["contender"] == TWINSTORE and ours["group"] == "ten":
            for floor in (ECHO, ECHO_MESSAGES):
                found += at_most(f"{case}: {floor} of twinstore, at most", rate_of(rows, ours, floor), rate(ours), 1.3)
                found += at_most(f"{case}: CPU of {floor}, at most", cpu(ours), cpu_of(rows, ours, floor), 1.3)
            found += at_most(f"{case}: p50 ms at half capacity, at most", latency(ours, "p50"), 1, 0.3)
            found += at_most(f"{case}: p99 ms at half capacity, at most", latency(ours, "p99"), 1, 1)
        if ours["contender"] == OVER_REDIS:
            found += at_most(f"{case}: over Redis, p99 ms, at most", latency(ours, "p99"), 1, 3)
            found += at_least(f"{case}: over Redis, of MGET, at least", rate(ours), rate_of(rows, ours, MGET), 0.6)
        if ours["contender"] in (HTTP, FEAST_HTTP) and beside(rows, ours, FEAST):
            feast, what = beside(rows, ours, FEAST), f"{case}: {ours['contender']}"
            found += at_least(f"{what}, requests/s of Feast, at least", rate(ours), rate(feast), 10)
            found += at_most(f"{what}, p99 of Feast, at most", latency(ours, "p99"), latency(feast, "p99"), 0.1)
        if case.endswith("of 20 views"):
            one = beside(rows, {**ours, "case": case.replace("20 views", "one view")}, ours["contender"])
            if one and ours["contender"] == TWINSTORE:
                found += at_most(f"{case}: time of a request of one view, at most", rate(one), rate(ours), 1.3)
    return found


def aims_of_loads(loads):
    theirs, ours = (f"{contender}: {{}}".format for contender in (FEAST, OVER_REDIS))
    written = at_least("rows into Redis of Feast, at least", loads.get(ours(ROWS)), loads.get(theirs(ROWS)), 10)
    size = at_most("bytes in Redis of Feast, at most", loads.get(ours(BYTES)), loads.get(theirs(BYTES)), 1 / 3)
    return written + size


def at_most(what, measured, base, most):
    return compared(what, measured, base, most, lambda ratio: ratio <= most)


def at_least(what, measured, base, least):
    return compared(what, measured, base, least, lambda ratio: ratio >= least)


def compared(what, measured, base, bar, is_met):
    if measured is None or base is None:
        return []
    return [(f"{what} {bar:.2g}", measured / base, is_met(measured / base))]


def beside(rows, other, contender):
    found = (row for row in rows if row["case"] == other["case"] and row["contender"] == contender)
    return next((row for row in found if row["rounds"]), None)


def rate(row):
    return statistics.median(seen["capacity"]["requests_per_s"] for seen in row["rounds"])


def rate_of(rows, other, contender):
    found = beside(rows, other, contender)
    return rate(found) if found else None


def cpu_of(rows, other, contender):
    found = beside(rows, other, contender)
    return cpu(found) if found else None


def latency(row, quantile, of="latency_us"):
    """In milliseconds, at half of the capacity."""
    seen = [open_loop[of][quantile] / 1000 for seen in row["rounds"] for open_loop in seen["open"]]
    return statistics.median(seen) if seen else None


def cpu(row):
    """Of the server and of what it reads from, in microseconds a request. It depends less than rates on
    what else the machine does."""
    seen = [seen["cpu_us"] for seen in row["rounds"] if "cpu_us" in seen]
    return statistics.median(seen) if seen else None


def busy(row):
    return max(seen["capacity"].get("generator_busy", 0) for seen in row["rounds"]) > BUSY


def others(row):
    """How much of the server's cores went to other work, at most."""
    return max((seen["others"] for seen in row["rounds"]), default=0)


def failures(row):
    """Refused or without an answer, in all rounds."""
    runs = [run for seen in row["rounds"] for run in [seen["capacity"], *seen["open"]]]
    return sum(run.get("refused", 0) + run.get("unfinished", 0) for run in runs)


def number(value):
    return "" if value is None else f"{value:.2f}"
