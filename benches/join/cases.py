"""What is joined with what: logs, spines, and the cases that the table has.

The times of all data lie in 400 days from 2024 on. Only the standard library is used here, so that
the process that measures the others stays small.
"""

import re
from dataclasses import dataclass

ENTITIES = 100_000
UNITS = {"": 1, "k": 1_000, "M": 1_000_000}


@dataclass(frozen=True)
class Log:
    """A log: how many rows, and how they are spread over entities."""

    rows: int
    spread: str = "uniform"  # or `hot_entity`: one has half of the rows; or `singletons`: one row each

    @property
    def name(self):
        return f"log-{self.spread}-{short(self.rows)}"

    @property
    def entities(self):
        return self.rows if self.spread == "singletons" else ENTITIES


@dataclass(frozen=True)
class Spine:
    """A spine: how many labels, and how they are spread over entities and time."""

    rows: int
    entities: int = ENTITIES
    # Or `hot_entity`: one has half of the labels; or `one_entity` has all; or `one_instant`.
    spread: str = "uniform"

    @property
    def name(self):
        return f"spine-{self.spread}-{short(self.rows)}-of-{short(self.entities)}"


@dataclass(frozen=True)
class Case:
    """One join: what is read of which log at which labels."""

    group: str  # latest, windows or skew
    name: str
    service: str  # of the benchmark's project: newest or windows
    log: Log
    spine: Spine


def cases(groups, log_sizes, spine_sizes):
    """The cases of these groups, each log's together."""
    found = []
    smallest_log, smallest_spine = min(log_sizes), min(spine_sizes)
    if "latest" in groups:
        for rows in log_sizes:
            for labels in spine_sizes:
                name = f"latest, {short(rows)} × {short(labels)}"
                found.append(Case("latest", name, "newest", Log(rows), Spine(labels)))
    if "windows" in groups:
        name = f"windows, {short(smallest_log)} × {short(smallest_spine)}"
        found.append(Case("windows", name, "windows", Log(smallest_log), Spine(smallest_spine)))
    if "skew" in groups:
        found.extend(skewed(smallest_log, max(spine_sizes)))
    return found


def skewed(rows, labels):
    """Latest values and windows alike, the uniform case first."""
    uniform, even = Log(rows), Spine(labels)
    singletons = Log(rows, "singletons")
    pairs = {
        "uniform": (uniform, even),
        "one entity has half of all rows": (Log(rows, "hot_entity"), even),
        "one entity has half of all labels": (uniform, Spine(labels, spread="hot_entity")),
        "one entity has all labels": (uniform, Spine(labels, spread="one_entity")),
        "all labels at one instant": (uniform, Spine(labels, spread="one_instant")),
        "every entity has one row": (singletons, Spine(labels, entities=singletons.entities)),
    }
    return [
        Case("skew", f"skew, {what}: {name}", service, log, spine)
        for service, what in {"newest": "latest", "windows": "windows"}.items()
        for name, (log, spine) in pairs.items()
    ]


def short(number):
    """10_000_000 as `10M`."""
    for unit, size in reversed(UNITS.items()):
        if number % size == 0:
            return f"{number // size}{unit}"
    return str(number)


def size(text):
    """`10M` as 10_000_000."""
    match = re.fullmatch(r"(\d+)([kM]?)", text)
    if match is None:
        raise ValueError(f"`{text}` is no size: write 100k or 10M")
    return int(match[1]) * UNITS[match[2]]
