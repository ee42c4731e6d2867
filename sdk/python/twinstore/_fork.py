"""Before this process is forked, its own threads come to rest.

A child has none of its parent's threads, and every lock as it was. One that a thread just held, as SQLite's while a
connection is closed in the background after a call, would never be released there. So a fork waits, for a short time at most,
until no thread of the extension runs.
"""

from __future__ import annotations

import os
import time

#: How the names of the extension's threads begin.
THREADS = ("twinstore", "sqlx")

#: For how long a fork waits, in seconds.
LONGEST = 2.0


def register() -> None:
    """Lets forks wait from now on."""
    if hasattr(os, "register_at_fork") and os.path.isdir("/proc/self/task"):
        os.register_at_fork(before=rest)


def rest() -> None:
    """Waits until the extension's threads sleep, in two looks behind each other."""
    deadline = time.monotonic() + LONGEST
    calm = 0
    while calm < 2 and time.monotonic() < deadline:
        calm = 0 if any_runs() else calm + 1
        if calm < 2:
            time.sleep(0.001)


def any_runs() -> bool:
    """Whether a thread of the extension runs, or waits for a disk."""
    for thread in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{thread}/stat") as file:
                name, _, rest_of_line = file.read().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if name.startswith(THREADS) and rest_of_line.split()[0] in ("R", "D"):
            return True
    return False
