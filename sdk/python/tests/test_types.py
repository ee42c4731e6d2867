"""The package's types are those of its code."""

import pathlib
import subprocess
import sys

PACKAGE = pathlib.Path(__file__).parent.parent

USER = """
import twinstore as ts

store = ts.Store(".")
service: str = store.features("s", {"dest": "LAX"}).service
nulls: dict[str, int] = ts.summary(store.training_set("s", None, time="at")).nulls
loaded: int = store.backfill("v@1", progress=False).rows_loaded
moved: str = store.cutover("s@2", percent=5).after
"""


def mypy(*arguments, folder=PACKAGE):
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_is_strictly_typed():
    mypy("mypy", "--strict", "--python-version", "3.11", "twinstore")


def test_the_stubs_of_the_extension_say_what_it_has():
    mypy("mypy.stubtest", "twinstore._twinstore", "--ignore-disjoint-bases")


def test_a_users_program_is_typed(tmp_path):
    (tmp_path / "user.py").write_text(USER)
    mypy("mypy", "--strict", str(tmp_path / "user.py"))
