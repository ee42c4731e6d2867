"""The examples are programs and notebooks, which run."""

import importlib.util
import json
import pathlib
import shutil
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).parents[3] / "examples"
EXAMPLE = EXAMPLES / "flights"
CLICKS = EXAMPLES / "clicks"


def notebook_of(program):
    """The notebook that `examples/notebook.py` writes of a program."""
    spec = importlib.util.spec_from_file_location("notebook", EXAMPLE.parent / "notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.notebook(program.read_text())


def code_of(notebook):
    """The code of a notebook's cells."""
    cells = json.loads(notebook.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("program", [EXAMPLE / "late_arrival.py", CLICKS / "clicks.py"], ids=lambda program: program.stem)
def test_a_notebook_is_the_program(program):
    written = program.with_suffix(".ipynb").read_text()
    assert written == notebook_of(program), f"run examples/notebook.py {program.relative_to(EXAMPLES.parent)}"


def test_a_stream_is_versioned_cut_over_and_watched_for_drift_from_a_notebook(tmp_path):
    shutil.copytree(CLICKS, tmp_path / "clicks", ignore=shutil.ignore_patterns(".twinstore", "data"))
    (tmp_path / "cells.py").write_text("\n".join(code_of(CLICKS / "clicks.ipynb")))
    program = [sys.executable, str(tmp_path / "cells.py")]
    done = subprocess.run(program, capture_output=True, text=True, cwd=tmp_path / "clicks")
    assert done.returncode == 0, done.stderr
    for said in [
        "1,500 rows of streams loaded",
        "expectation_failed: the expectation `dwell_s BETWEEN 0 AND 86400` is false",
        "interest@2 cannot replace the live version yet",
        "interest@2 beside interest@1 at 5,000 rows: passed",
        "interest@1 → interest@2",
        "interest@2 → interest@1",
        "visitor_clicks@1: nothing drifted",
        "visitor_clicks@1: dwell_s drifted",
        "visitor_clicks@1, by date: dwell_s, price",
    ]:
        assert said in done.stdout, said


def test_what_a_leak_promises_and_delivers_on_a_year_of_flights(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "flights")
    # All cells but the last, which shows the plot where it is read.
    code = code_of(EXAMPLE / "late_arrival.ipynb")[:-1]
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
