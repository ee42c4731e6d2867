"""The table, and the aims that it is held against.

Ratios are of medians on one machine at one time, so that they can be read where seconds cannot.
"""

from contenders import FLOOR, TWINSTORE
from process import on_cores


def markdown(rows, loads):
    lines = [
        "| case | cores | contender | seconds | peak MB | of scan + write | of twinstore | same values |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        ours, floor = beside(rows, row, TWINSTORE), beside(rows, row, FLOOR)
        cells = [
            row["case"],
            row["cores"] or "all",
            row["contender"],
            number(row["seconds"], 2),
            number(row["peak_mb"], 0),
            times(row, floor),
            times(row, ours),
            same_values(row),
        ]
        lines.append(f"| {' | '.join(str(cell) for cell in cells)} |")
    lines += ["", "| aim | measured | |", "|---|---|---|"]
    lines += [f"| {aim} | {measured:.2f} | {'met' if met else 'missed'} |" for aim, measured, met in aims(rows)]
    lines += ["", "| backfill, all cores | seconds |", "|---|---|"]
    lines += [f"| {name} | {seconds:.1f} |" for name, seconds in loads.items()]
    return "\n".join(lines) + "\n"


def aims(rows):
    """Each aim that these rows can answer: what it is, the figure, whether it is met."""
    found = []
    for ours in (row for row in rows if row["contender"] == TWINSTORE and row["group"] != "skew"):
        where = f"{ours['case']}, {on_cores(ours['cores'])}"
        floor = beside(rows, ours, FLOOR)
        peers = [row for row in rows if is_beside(row, ours) and row["contender"] not in (TWINSTORE, FLOOR)]
        peers = [peer for peer in peers if peer["seconds"] is not None]
        most, least = bars(ours)
        if floor and most:
            found.append(at_most(f"{where}: of scan + write, at most {most}", ours, floor, most, "seconds"))
        if peers:
            fastest = min(peers, key=lambda peer: peer["seconds"])
            lightest = min(peers, key=lambda peer: peer["peak_mb"])
            ratio = fastest["seconds"] / ours["seconds"]
            found.append((f"{where}: faster than {fastest['contender']}, at least {least}", ratio, ratio >= least))
            if ours["group"] == "latest":
                what = f"{where}: of the memory of {lightest['contender']}, at most 0.2"
                found.append(at_most(what, ours, lightest, 0.2, "peak_mb"))
    return found + linear(rows) + skewed(rows)


def bars(ours):
    """At most so many times scan + write, at least so many times as fast as the fastest peer."""
    match ours["group"]:
        case "latest":
            return 1.25, 2.5 if ours["cores"] == 1 else 4
        case "windows":
            return 2, 10
        case _:
            return None, 5


def linear(rows):
    """Four times the rows of the log, for the same spine."""
    found = []
    for small in rows:
        if small["contender"] == TWINSTORE and small["case"].startswith("latest, 10M"):
            large = beside(rows, {**small, "case": small["case"].replace("10M", "40M")}, TWINSTORE)
            if large:
                what = f"{large['case']}, {on_cores(small['cores'])}: of 10M rows, at most 4.4"
                found.append(at_most(what, large, small, 4.4, "seconds"))
    return found


def skewed(rows):
    found = []
    for row in rows:
        uniform = beside(rows, {**row, "case": f"{row['case'].split(':')[0]}: uniform"}, TWINSTORE)
        if row["group"] == "skew" and row["contender"] == TWINSTORE and uniform and row is not uniform:
            what = f"{row['case']}, {on_cores(row['cores'])}: of uniform, at most 3"
            found.append(at_most(what, row, uniform, 3, "seconds"))
    return found


def at_most(what, ours, theirs, most, field):
    ratio = ours[field] / theirs[field]
    return what, ratio, ratio <= most


def is_beside(row, other):
    return row["case"] == other["case"] and row["cores"] == other["cores"]


def beside(rows, other, contender):
    found = (row for row in rows if is_beside(row, other) and row["contender"] == contender)
    return next((row for row in found if row["seconds"] is not None), None)


def same_values(row):
    if row["failed"]:
        return "failed"
    agreement = row["agreement"]
    if agreement is None:
        return ""
    left_out = f", {agreement['undecided']:,} rows tied" if agreement.get("undecided") else ""
    return ("yes" if agreement["differ"] == 0 else f"{agreement['differ']:,} cells differ") + left_out


def times(row, base):
    return number(row["seconds"] / base["seconds"], 2) if base and row["seconds"] is not None else ""


def number(value, digits):
    return "" if value is None else f"{value:,.{digits}f}"
