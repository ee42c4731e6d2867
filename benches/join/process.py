"""How a process is measured: its wall time, and the peak of its resident memory.

The kernel lets a process begin with the peak of its parent. So whoever measures imports nothing
large: data is generated and compared in processes of their own.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    seconds: float
    peak_mb: float
    stdout: str

    def said(self):
        """What the process printed as JSON, at the end."""
        return json.loads(self.stdout.strip().splitlines()[-1])


class Failed(Exception):
    """A process ended with another code than 0; it said why."""


def measure(command, cores=None, cwd=None):
    """Runs a command to its end, on the first `cores` cores where a number is given."""
    command = [str(part) for part in command]
    pinned = command if cores is None else ["taskset", "-c", f"0-{cores - 1}", *command]
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as complaints:
        process = subprocess.Popen(pinned, cwd=cwd, stdout=subprocess.PIPE, stderr=complaints, text=True)
        stdout = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        complaints.seek(0)
        why = complaints.read()
    if process.returncode != 0:
        raise Failed(f"{' '.join(command)}\nended with {process.returncode}:\n{(why or stdout)[-2000:]}")
    return Measured(seconds, usage.ru_maxrss / 1024, stdout)


def on_cores(cores):
    """The cores of a measurement in words."""
    return "all cores" if cores is None else "1 core" if cores == 1 else f"{cores} cores"


def tell(message):
    """Progress, beside the table."""
    print(message, file=sys.stderr, flush=True)
