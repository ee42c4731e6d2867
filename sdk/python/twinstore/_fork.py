"""A process that is forked after a project was opened does not use projects.

A child has none of its parent's threads, and every lock as it was: one that a thread of SQLite or LMDB just held would never
be released there. So it is refused with a sentence, and never hangs.
"""

from __future__ import annotations

import os

from twinstore._errors import InputError

_opened_by: "int | None" = None


def opened() -> None:
    """A project is opened by this process."""
    global _opened_by
    if _opened_by is None:
        _opened_by = os.getpid()


def is_forked() -> bool:
    """Whether the parent of this process had opened a project."""
    return _opened_by not in (None, os.getpid())


def refuse_forked() -> None:
    """Refuses to go on in a process whose parent had opened a project."""
    if is_forked():
        raise InputError(
            "this process was forked after its parent had opened a project, whose threads and locks it does not have: start it "
            "with the `spawn` method (`multiprocessing.get_context(\"spawn\")`), or open projects in the child alone"
        )
