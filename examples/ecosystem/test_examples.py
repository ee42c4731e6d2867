"""The examples that need more than the tests of CI: `make python-ecosystem` runs them, and both notebooks, in a kernel."""

import os
import pathlib
import shutil
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

HERE = pathlib.Path(__file__).parent


def new_project(folder):
    subprocess.run([os.environ["TWINSTORE_BIN"], "init", str(folder)], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("example", ["dbt_log", "expectations", "gradient_boosting", "mlflow_model"])
def test_an_example_runs_on_a_new_project(tmp_path, example):
    project = new_project(tmp_path / "flights")
    done = subprocess.run(
        [sys.executable, str(HERE / f"{example}.py"), str(project)], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["clicks/clicks", "flights/late_arrival"])
def test_a_notebook_runs_in_a_kernel(tmp_path, name):
    folder = tmp_path / "project"
    shutil.copytree(HERE.parent / name.split("/")[0], folder, ignore=shutil.ignore_patterns(".twinstore"))
    notebook = nbformat.read(HERE.parent / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    shown = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = [output for output in shown if "<svg" in str(output.get("data", {}))]
    assert pictures, "plots are shown"
