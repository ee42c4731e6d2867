"""A line that shows how far a call is, on a terminal and in a notebook."""

from __future__ import annotations

import contextlib
import sys
from typing import Any, Callable, Iterator


@contextlib.contextmanager
def shown(progress: Any) -> Iterator[Callable[[int, int], None] | None]:
    """What shows how far a call is: a callable as it is, a line where it is wanted or stderr is a terminal or a notebook,
    else nothing."""
    if callable(progress):
        yield progress
        return
    if progress is None:
        progress = sys.stderr.isatty() or in_notebook()
    if not progress:
        yield None
        return
    last = ""

    def show(done: int, total: int) -> None:
        nonlocal last
        of = f" of {total:,} rows ({100 * done // total}%)" if total else " rows"
        line = f"{done:,}{of}"
        print(f"\r{line.ljust(len(last))}", end="", file=sys.stderr, flush=True)
        last = line

    try:
        yield show
    finally:
        if last:
            print(f"\r{' ' * len(last)}\r", end="", file=sys.stderr, flush=True)


def in_notebook() -> bool:
    """Whether this runs in a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return type(shell).__name__ == "ZMQInteractiveShell"
