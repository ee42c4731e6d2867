"""A server gives what the store itself gives: the same rows taken and refused, the same features in the same types, and the
same classes of exceptions."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from test_server import Serving, until

import twinstore as ts

DEFINITIONS = """
kind: source
name: visits
schema:
  {user: int64, at: timestamp, page: string, score: float64, seen: int32, tags: "list<string>", emb: "list<float32>[3]"}
event_time: at
stream: {topic: visits, format: json}
---
kind: entity
name: user
keys: {user: int64}
---
kind: feature_view
name: user_visits
version: 1
entity: user
source: visits
features: {page: {latest: page}, tags: {latest: tags}, emb: {latest: emb}, seen: {latest: seen}}
---
kind: on_demand_view
name: weighed
version: 1
request: {weights: "list<float64>", ratio: float32, since: timestamp, raw: bytes, counted: int64}
features:
  weights_back: {expression: weights}
  ratio_back: {expression: ratio}
  since_back: {expression: since}
  raw_back: {expression: raw}
  counted_back: {expression: counted}
---
kind: feature_service
name: visiting
version: 1
features: [{from: user_visits@1}]
---
kind: feature_service
name: weighing
version: 1
features: [{from: weighed@1}]
"""
NOW = dt.datetime.now(dt.timezone.utc)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The store and a server of one project."""
    folder = tmp_path_factory.mktemp("alike")
    (folder / "features").mkdir()
    (folder / "features" / "visits.yaml").write_text(DEFINITIONS)
    with ts.Store(folder) as store:
        store.apply()
        serving = Serving(str(folder))
        try:
            with ts.Store(f"grpc://{serving.address}") as remote:
                yield store, remote
        finally:
            serving.stop()


def outcomes(stores, call):
    """What a call gives of each store, or the class of what it raises."""
    said = []
    for store in stores:
        try:
            said.append(call(store))
        except ts.Error as error:
            print(f"{store!r}: {error}")
            said.append(type(error))
    return said


EMB = pa.array([[1, 2, 3]], pa.list_(pa.float32(), 3))
PUSHES = {
    "dicts with lists": (lambda user: [{"user": user, "at": NOW, "tags": ["x", None], "emb": [1.0, 2.0, 3.0]}], 1, []),
    "a frame of pandas with lists": (lambda user: pd.DataFrame([{"user": user, "at": NOW, "tags": ["x"]}]), 1, []),
    "arrays of NumPy": (lambda user: [{"user": np.int64(user), "at": NOW, "emb": np.ones(3, "float32")}], 1, []),
    "arrow of the declared types": (
        lambda user: pa.table({"user": [user], "at": pa.array([NOW], pa.timestamp("us", "UTC")), "emb": EMB}), 1, []
    ),
    "one bad row of three": (lambda user: [{"user": user, "at": NOW}, {"user": "x", "at": NOW}, {"user": user, "at": NOW}], 2, [2]),
    "a list of another length": (
        lambda user: [{"user": user, "at": NOW, "emb": [1.0]}, {"user": user, "at": NOW, "emb": [1.0] * 3}], 1, [1]
    ),
    "times as text": (lambda user: [{"user": user, "at": NOW.isoformat()}, {"user": user, "at": "2026-01-01"}], 2, []),
    "a list for a text": (lambda user: pl.DataFrame([{"user": user, "at": NOW, "page": ["a", "b"]}]), 0, [1]),
    "a whole float for an integer": (lambda user: pd.DataFrame({"user": [float(user)], "at": [NOW]}), 1, []),
    "floats that JSON has no number for": (lambda user: [{"user": user, "at": NOW, "score": float("nan")}], 1, []),
    "an unknown column": (lambda user: [{"user": user, "at": NOW, "pgae": "a"}], 0, [1]),
    "no rows": (lambda user: [], 0, []),
    "more rows than a server takes at once": (lambda user: [{"user": user, "at": NOW}] * 12_000 + [{"user": user}], 12_000, [12_001]),
}


@pytest.mark.parametrize("name", PUSHES)
def test_the_same_rows_are_taken_and_refused(both, name):
    rows, taken, refused = PUSHES[name]

    def push(store):
        pushed = store.push("visits", rows(7))
        assert (pushed.data["first_offset"] is None) == (taken == 0)
        return {**pushed.data, "first_offset": None}

    there, here = outcomes(both, push)
    assert there == here and (here["rows"], [row["row"] for row in here["refused"]]) == (taken, refused), here


@pytest.mark.parametrize("source", ["visit", "Visits!", ""])
def test_a_source_that_is_none_raises_the_same_exception(both, source):
    for rows in ([{"user": 7, "at": NOW}], []):
        assert outcomes(both, lambda store: store.push(source, rows)) == [ts.InputError] * 2


def test_what_was_pushed_into_a_server_is_read_in_the_same_types(both):
    store, remote = both
    remote.push("visits", [{"user": 1, "at": NOW, "page": "a", "seen": 3, "tags": ["x", "y"], "emb": [1.0, 2.0, 3.0]}])
    remote.push("visits", [{"user": 2, "at": NOW, "tags": []}])
    until(lambda: store.features("visiting", {"user": 2})["tags"] == [])
    for users in ([1], [2], [3], [None], [1, 2, 3], []):
        here, there = (one.features("visiting", {"user": users}, at=NOW + dt.timedelta(hours=1)) for one in both)
        assert there.to_arrow(details=True).equals(here.to_arrow(details=True)), users
        assert there.to_arrow().schema.field("emb").type.list_size == 3, users
        assert there.statuses == here.statuses and len(there) == len(users)


def test_a_read_of_no_entity_and_of_tens_of_thousands_is_answered(both):
    for entities in (
        {"user": []},
        pd.DataFrame({"user": []}),
        pa.table({"user": pa.array([], pa.int64())}),
        pd.DataFrame({"user": [1, None]}),
        {"user": 1.0},
        {"user": [1, 2.0]},
        {"user": list(range(25_000))},
        pl.DataFrame({"user": list(range(10_001))}),
    ):
        here, there = (store.features("visiting", entities) for store in both)
        assert there.to_dict() == here.to_dict() and there.statuses == here.statuses
        assert there.service == "visiting@1" and len(there) == len(here)


def test_a_request_is_read_in_the_types_that_the_service_needs(both):
    given = {"weights": [1.5, 2.0], "ratio": 0.1, "since": "2026-01-01T00:00:00Z", "raw": "AP8=", "counted": 3.0}
    for request in (
        given,
        {**given, "weights": [], "ratio": None, "since": NOW, "raw": b"\x00\xff"},
        {**given, "weights": [1, None], "ratio": 1},
    ):
        here = both[0].features("weighing", [request, request])
        there = both[1].features("weighing", {}, request=[request, request])
        assert there.to_arrow().equals(here.to_arrow()), request


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.features("visiting", {"user": "x"}),
        lambda store: store.features("visiting", {"user": 1.5}),
        lambda store: store.features("visiting", {"user": [1, "x"]}),
        lambda store: store.features("visiting", {"user": pa.array([2**64 - 1], pa.uint64())}),
        lambda store: store.features("visiting", {"users": 1}),
        lambda store: store.features("visiting", {}),
        lambda store: store.features("visiting", {"user": [[1]]}),
        lambda store: store.features("visit", {"user": 1}),
        lambda store: store.features("visiting", {"user": 1}, features=["x"]),
        lambda store: store.features("visiting", {"user": 1}, trained_on="0" * 64),
        lambda store: store.features("visiting", {"user": 1}, at="yesterday"),
    ],
)
def test_the_same_exception_is_raised_for_a_read_that_is_refused(both, call):
    there, here = outcomes(both, call)
    assert there is here is ts.InputError


def test_a_push_after_which_nobody_knows_whether_it_was_taken_is_not_worth_another_try():
    from test_other_servers import ANSWERS, serve

    listening = serve(ANSWERS["no answer"])
    remote = ts.Store("grpc://%s:%d" % listening.getsockname())
    with pytest.raises(ts.FatalError, match="may have taken the rows or not"):
        remote.push("visits", [{"user": 1, "at": NOW}])
    with pytest.raises(ts.TransientError):
        remote.features("visiting", {"user": 1})
    listening.close()
