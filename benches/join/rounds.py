"""How a case is measured: contenders in turn, round after round, and the median of each.

In the first round the results are compared with twinstore's.
"""

import statistics
from dataclasses import dataclass

from contenders import FLOOR, TWINSTORE
from process import Failed, measure, on_cores, tell


@dataclass(frozen=True)
class Heat:
    """One case at one number of cores."""

    name: str
    group: str
    cores: int | None  # none for all
    compare: list  # the command that takes two results and says where they differ


def figures(heat, taking_part, repeat):
    """A row of the table for each contender, twinstore first."""
    seconds = {contender.name: [] for contender in taking_part}
    peaks = {contender.name: [] for contender in taking_part}
    agrees, failed = {}, {}
    for number in range(repeat):
        for contender in taking_part:
            if contender.name in failed:
                continue
            try:
                measured = measure(contender.command, heat.cores)
            except Failed as failure:
                if contender.name == TWINSTORE:
                    raise
                tell(str(failure))
                failed[contender.name] = str(failure)
                continue
            took = measured.said()["seconds"] if contender.says_seconds else measured.seconds
            tell(f"  {heat.name}, {on_cores(heat.cores)}, round {number + 1}: {contender.name} {took:.2f} s")
            seconds[contender.name].append(took)
            peaks[contender.name].append(measured.peak_mb)
            if number == 0 and contender.name not in (TWINSTORE, FLOOR):
                agrees[contender.name] = measure([*heat.compare, taking_part[0].out, contender.out]).said()
    return [
        {
            "case": heat.name,
            "group": heat.group,
            "cores": heat.cores,
            "contender": contender.name,
            "seconds": median(seconds[contender.name]),
            "peak_mb": median(peaks[contender.name]),
            "rounds": seconds[contender.name],
            "agreement": agrees.get(contender.name),
            "failed": failed.get(contender.name),
        }
        for contender in taking_part
    ]


def median(numbers):
    return statistics.median(numbers) if numbers else None
