"""A small project for each test, and the command beside the package."""

import importlib.util
import os
import pathlib
import subprocess

import pytest

import twinstore as ts

# The only module that cannot be imported without its library: `make python-torch` tests it.
collect_ignore = [] if importlib.util.find_spec("torch") else ["twinstore/torch.py"]

DEFINITIONS = """
kind: entity
name: airport
keys: {airport: string}
---
kind: source
name: landings
schema: {landed_at: timestamp, dest: string, arr_delay: float64, seats: int64}
event_time: landed_at
batch: {path: landings.csv}
assumed_delay: 2m
---
kind: feature_view
name: airport_arrivals
version: 1
entity: airport
source: landings
keys: {airport: dest}
features:
  last_delay:  {latest: arr_delay}
  arrivals_1h: {aggregate: count, window: 1h}
  last_seats:  {latest: seats}
  landed:      {latest: landed_at}
---
kind: feature_service
name: late_arrival
version: 1
features:
  - {from: airport_arrivals@1, on: {airport: dest}, take: [last_delay, arrivals_1h]}
---
kind: feature_service
name: everything
version: 1
features:
  - {from: airport_arrivals@1, on: {airport: dest}}
"""

PUSHED = """
kind: source
name: clicks
schema: {at: timestamp, user: int64, price: float64}
event_time: at
stream: {topic: clicks, format: json}
---
kind: entity
name: user
keys: {user: int64}
---
kind: feature_view
name: user_clicks
version: 1
entity: user
source: clicks
features:
  clicks: {aggregate: count}
  last_price: {latest: price}
---
kind: feature_service
name: prices
version: 1
features:
  - {from: user_clicks@1}
"""

ROWS = """landed_at,dest,arr_delay,seats
2026-01-01T10:00:00Z,LAX,4.5,180
2026-01-01T10:30:00Z,BOS,,9007199254740993
2026-01-01T11:00:00Z,BOS,-3.25,70
"""


def write_project(folder: pathlib.Path) -> pathlib.Path:
    """Writes a project into a folder."""
    (folder / "features").mkdir(parents=True)
    (folder / "features" / "flights.yaml").write_text(DEFINITIONS)
    (folder / "features" / "clicks.yaml").write_text(PUSHED)
    (folder / "landings.csv").write_text(ROWS)
    (folder / "twinstore.toml").write_text('stream.brokers = "embedded://.twinstore/topics"\n')
    return folder


@pytest.fixture
def folder(tmp_path):
    """The folder of a project that is not applied."""
    return write_project(tmp_path / "project")


@pytest.fixture(scope="session")
def _loaded(tmp_path_factory):
    folder = write_project(tmp_path_factory.mktemp("loaded") / "project")
    with ts.Store(folder) as store:
        store.apply()
        store.backfill()
    return folder


@pytest.fixture(scope="session")
def loaded(_loaded):
    """A project that is applied and loaded, and that tests only read."""
    with ts.Store(_loaded) as store:
        yield store


@pytest.fixture
def store(folder):
    """A project of its own that is applied and loaded."""
    with ts.Store(folder) as store:
        store.apply()
        store.backfill()
        yield store


@pytest.fixture
def command():
    """Runs the command in a folder, and gives what it prints."""

    def run(folder, *arguments, code=0):
        done = subprocess.run(
            [os.environ["TWINSTORE_BIN"], "--project", str(folder), *map(str, arguments)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == code, done.stderr
        return done.stdout

    return run


@pytest.fixture(autouse=True)
def _examples(request, doctest_namespace):
    """What the examples in docstrings begin with."""
    if type(request.node).__name__ != "DoctestItem":
        return
    import pandas

    store = request.getfixturevalue("loaded")
    spine = pandas.DataFrame({"dest": ["LAX"], "at": pandas.to_datetime(["2026-01-01T12:00:00Z"])})
    training = store.training_set("late_arrival", spine, time="at")
    doctest_namespace.update(
        ts=ts, pandas=pandas, project=store.folder, store=store, spine=spine, training=training
    )
