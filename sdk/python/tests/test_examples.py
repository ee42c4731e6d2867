"""The example is a program and a notebook, which run."""

import importlib.util
import json
import pathlib
import shutil
import subprocess
import sys

EXAMPLE = pathlib.Path(__file__).parents[3] / "examples" / "flights"


def notebook_of(program):
    """The notebook that `examples/notebook.py` writes of a program."""
    spec = importlib.util.spec_from_file_location("notebook", EXAMPLE.parent / "notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.notebook(program.read_text())


def test_the_notebook_is_the_program():
    written = (EXAMPLE / "late_arrival.ipynb").read_text()
    assert written == notebook_of(EXAMPLE / "late_arrival.py"), "run examples/notebook.py examples/flights/late_arrival.py"


def test_what_a_leak_promises_and_delivers_on_a_year_of_flights(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "flights")
    cells = json.loads((EXAMPLE / "late_arrival.ipynb").read_text())["cells"]
    # All cells but the last, which shows the plot where it is read.
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"][:-1]
    (tmp_path / "cells.py").write_text("\n".join(code))
    program = [sys.executable, str(tmp_path / "cells.py")]
    done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path / "flights")
    assert done.returncode == 0, done.stderr
    plot = (tmp_path / "flights" / "promises.svg").read_text()
    assert plot.startswith("<?xml") and "<svg" in plot
    scores = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line.startswith(("available", "event"))}
    promised, delivered = scores["available"]
    # What a model without a leak promises is what it delivers.
    assert promised == delivered and float(promised) > 0.7
    assert "6,000 served values are those of a training set, to the bit" in done.stdout
