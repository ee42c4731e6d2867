"""Processes on cores of their own: servers that are started, found ready and stopped.

The last core that this process may use is the load generator's; servers get the others. Where there
is one core only, all share it, and the table says so.
"""

import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

READY_SECONDS = 60


def cores():
    """The generator's core and those of servers, each as a list."""
    all_cores = sorted(os.sched_getaffinity(0))
    return all_cores[-1:], all_cores[:-1] or all_cores


def pinned(command, to):
    return ["taskset", "-c", ",".join(map(str, to)), *(str(part) for part in command)]


@contextmanager
def serving(command, to, port, log, wanted=None, **options):
    """A server on these cores, from when it takes connections until the block ends. `wanted` is what it
    must have said before, and how many times."""
    with open(log, "w") as said:
        server = subprocess.Popen(pinned(command, to), stdout=said, stderr=said, **options)
        try:
            until_ready(server, port, log, wanted)
            yield server
        finally:
            server.terminate()
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def until_ready(server, port, log, wanted):
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        if server.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                if not wanted or open(log).read().count(wanted["said"]) >= wanted["times"]:
                    return
        time.sleep(0.05)
    raise RuntimeError(f"a server is not ready; it said:\n{open(log).read()[-2000:]}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def tell(message):
    """Progress, beside the table."""
    print(message, file=sys.stderr, flush=True)
