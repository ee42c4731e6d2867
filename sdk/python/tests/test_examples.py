"""The example is a program that runs."""

import pathlib
import shutil
import subprocess
import sys

EXAMPLE = pathlib.Path(__file__).parents[3] / "examples" / "flights"


def test_what_a_leak_promises_and_delivers_on_a_year_of_flights(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "flights")
    program = [sys.executable, str(EXAMPLE / "late_arrival.py"), str(tmp_path / "flights")]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    scores = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.startswith(("available", "event"))}
    promised, delivered = scores["available"]
    # What a model without a leak promises is what it delivers.
    assert promised == delivered and float(promised) > 0.7
    assert "6,000 served values are those of a training set, to the bit" in done.stdout
