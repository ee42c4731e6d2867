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
from pathlib import Path

READY_SECONDS = 60


def cores():
    """The generator's core and those of servers, each as a list."""
    all_cores = sorted(os.sched_getaffinity(0))
    return all_cores[-1:], all_cores[:-1] or all_cores


def pinned(command, to):
    return ["taskset", "-c", ",".join(map(str, to)), *(str(part) for part in command)]


@contextmanager
def serving(command, to, port, log, wanted=None, **options):
    """A server on these cores, its process id from when it takes connections until the block ends.
    `wanted` is what it must have said before, and how many times."""
    with open(log, "w") as said:
        server = subprocess.Popen(pinned(command, to), stdout=said, stderr=said, **options)
        try:
            until_ready(server, port, log, wanted)
            yield server.pid
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


def cpu_seconds(pids):
    """What these processes and all below them have used, in user and kernel mode."""
    used, children = {}, {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                # After the name, which may hold anything: state, parent, and the times at 11 and 12.
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue  # it ended meanwhile
            pid, parent = int(folder.name), int(fields[1])
            used[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            children.setdefault(parent, []).append(pid)
    found, open_ends = set(), list(pids)
    while open_ends:
        pid = open_ends.pop()
        found.add(pid)
        open_ends += children.get(pid, [])
    return sum(used.get(pid, 0) for pid in found)


def busy_seconds(of_cores):
    """What these cores have worked, whoever for: all of /proc/stat but idling and waiting for disks."""
    wanted = {f"cpu{core}" for core in of_cores}
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name in wanted:
            user, nice, system, _, _, interrupts, soft_interrupts, stolen = map(int, fields[:8])
            ticks += user + nice + system + interrupts + soft_interrupts + stolen
    return ticks / os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def tell(message):
    """Progress, beside the table."""
    print(message, file=sys.stderr, flush=True)
