"""Definitions that are built in Python are those that are written by hand."""

import datetime as dt
import json
import pathlib
import re
from dataclasses import fields

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import DEFINITIONS, PUSHED

import twinstore as ts

AIRPORT = ts.Entity("airport", keys={"airport": "string"})
LANDINGS = ts.Source(
    "landings",
    schema={"landed_at": "timestamp", "dest": "string", "arr_delay": "float64", "seats": "int64"},
    event_time="landed_at",
    batch=ts.Batch("landings.csv"),
    assumed_delay=dt.timedelta(minutes=2),
)
ARRIVALS = ts.FeatureView(
    "airport_arrivals",
    1,
    entity=AIRPORT,
    source=LANDINGS,
    keys={"airport": "dest"},
    features={
        "last_delay": ts.Latest("arr_delay"),
        "arrivals_1h": ts.Aggregate("count", window=dt.timedelta(hours=1)),
        "last_seats": ts.Latest("seats"),
        "landed": ts.Latest("landed_at"),
    },
)
SERVICES = [
    ts.FeatureService(
        "late_arrival", 1, [ts.Take(ARRIVALS, on={"airport": "dest"}, take=["last_delay", "arrivals_1h"])]
    ),
    ts.FeatureService("everything", 1, [ts.Take("airport_arrivals@1", on={"airport": "dest"})]),
]
CLICKS = [
    ts.Source(
        "clicks",
        schema={"at": "timestamp", "user": "int64", "price": "float64"},
        event_time="at",
        stream=ts.Stream("clicks", "json"),
    ),
    ts.Entity("user", keys={"user": "int64"}),
    ts.FeatureView(
        "user_clicks",
        1,
        entity="user",
        source="clicks",
        features={"clicks": ts.Aggregate("count"), "last_price": ts.Latest("price")},
    ),
    ts.FeatureService("prices", 1, [ts.Take("user_clicks@1")]),
]
# With keys of every shape.
RICH = """
kind: feature_view
name: rich
version: 2
entity: airport
source: {view: airport_arrivals@1}
where: last_delay > -5
ttl: 1d
expect:
  - {column: last_delay, between: [-120, 1500], on_failure: warn}
  - {sql: last_seats > 0, name: has_seats, severity: warn}
  - {column: last_seats, in: [70, 180]}
  - {column: trend, not_null: true, stage: row}
  - {sql: top < 100, stage: served}
freshness: {objective: 1m, target: 99.9}
breaker: {skew: 0.1, stale: 2d, features: [top], window: 1m}
owner: arrivals team
description: "How late: flights"
tags: {domain: operations, "on": "yes"}
features:
  trend: {latest: last_delay - arrivals_1h, unit: minutes, default: 0.0, freshness: {objective: 1h, target: 95}}
  top: {aggregate: "max(last_delay)", window: 6h, hop: 15m, description: the worst}
---
kind: on_demand_view
name: route
version: 1
request: {distance: int32}
inputs:
  - {from: rich@2, on: {airport: dest}, take: [trend], prefix: dest_}
features:
  per_mile: {expression: dest_trend / (distance / 100.0)}
"""
RICH_BUILT = [
    ts.FeatureView(
        "rich",
        2,
        entity="airport",
        source=ts.Input(ARRIVALS),
        where="last_delay > -5",
        ttl="1d",
        expect=[
            ts.Expectation(column="last_delay", between=[-120, 1500], on_failure="warn"),
            ts.Expectation(sql="last_seats > 0", name="has_seats", severity="warn"),
            ts.Expectation(column="last_seats", in_=[70, 180]),
            ts.Expectation(column="trend", not_null=True, stage="row"),
            ts.Expectation(sql="top < 100", stage="served"),
        ],
        freshness=ts.Freshness(objective="1m", target=99.9),
        breaker=ts.Breaker(skew=0.1, stale="2d", features=["top"], window="1m"),
        owner="arrivals team",
        description="How late: flights",
        tags={"domain": "operations", "on": "yes"},
        features={
            "trend": ts.Latest(
                "last_delay - arrivals_1h",
                unit="minutes",
                default=0.0,
                freshness=ts.Freshness(objective="1h", target=95),
            ),
            "top": ts.Aggregate("max(last_delay)", window="6h", hop=dt.timedelta(minutes=15), description="the worst"),
        },
    ),
    ts.OnDemandView(
        "route",
        1,
        request={"distance": "int32"},
        inputs=[ts.Take("rich@2", on={"airport": "dest"}, take=["trend"], prefix="dest_")],
        features={"per_mile": ts.Expression("dest_trend / (distance / 100.0)")},
    ),
]


def registered(command, folder, text):
    """What the registry holds of a file of definitions: each with its semantic hash, its owner and its description."""
    (folder / "features").mkdir(parents=True)
    (folder / "features" / "all.yaml").write_text(text)
    command(folder, "apply")
    listed = json.loads(command(folder, "registry", "list", "--format", "json"))
    return {(one["kind"], one["name"], one["version"]): one for one in listed}


def test_what_is_built_has_the_hash_of_what_is_written(tmp_path, command):
    written = registered(command, tmp_path / "written", f"{DEFINITIONS}\n---{PUSHED}\n---{RICH}")
    built = ts.to_yaml(AIRPORT, LANDINGS, ARRIVALS, *SERVICES, *CLICKS, *RICH_BUILT)
    given = registered(command, tmp_path / "built", built)
    assert given == written
    assert len(given) == 11 and all(one["hash"] for one in given.values())


def test_every_key_of_the_reference_has_a_builder():
    page = (pathlib.Path(__file__).parents[3] / "docs" / "definitions.md").read_text()
    # Who may do what is a file of its own.
    page, policy = page.split("## `access.yaml`\n")
    assert "`grant`" in policy
    page += "## end"
    builders = {
        "`entity`": [ts.Entity],
        "`source`": [ts.Source],
        "`column`": [ts.Column],
        "`time`": [ts.Sql],
        "`batch`": [ts.Batch],
        "`stream`": [ts.Stream],
        "`feature_view`": [ts.FeatureView],
        "`input`": [ts.Input],
        "`expectation`": [ts.Expectation],
        "`retention`": [ts.Retention],
        "`freshness`": [ts.Freshness],
        "`breaker`": [ts.Breaker],
        "`feature`": [ts.Latest, ts.Aggregate, ts.Expression],
        "`on_demand_view`": [ts.OnDemandView],
        "`choice`": [ts.Take],
        "`feature_service`": [ts.FeatureService],
        "`consumer`": [ts.Consumer],
    }
    found = set()
    for title, body in re.findall(r"^#+ (`\w+`)\n(.*?)(?=^#)", page, re.MULTILINE | re.DOTALL):
        keys = set(re.findall(r"^\| `(\w+)` \|", body, re.MULTILINE)) - {"kind"}
        known = {one.name.rstrip("_") for builder in builders[title] for one in fields(builder)}
        assert keys <= known, (title, keys - known)
        found.add(title)
    assert found == set(builders)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_a_frames_columns_become_those_of_a_source(library):
    table = pa.table(
        {
            "flag": [True],
            "small": pa.array([1], pa.int16()),
            "whole": [1],
            "single": pa.array([1.5], pa.float32()),
            "double": [1.5],
            "text": ["a"],
            "at": pa.array([dt.datetime(2026, 1, 1)], pa.timestamp("us", "UTC")),
            "many": [[1.5, 2.5]],
        }
    )
    frame = {"pandas": table.to_pandas, "polars": lambda: pl.from_arrow(table), "pyarrow": lambda: table}[library]()
    assert ts.Source.infer(frame, "rows", event_time="at", batch=ts.Batch("rows.parquet")).schema == {
        "flag": "bool",
        "small": "int32",
        "whole": "int64",
        "single": "float32",
        "double": "float64",
        "text": "string",
        "at": "timestamp",
        "many": "list<float64>",
    }


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_columns_with_any_names_become_a_source_that_is_planned_and_loaded(tmp_path, library):
    at = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
    table = pa.table({"eventTime": [at], "userId": [7], "Bad Name": [2.5], "user_id": ["a"], "名前": ["x"]})
    pq.write_table(table, tmp_path / "rows.parquet")
    frame = {"pandas": table.to_pandas, "polars": lambda: pl.from_arrow(table), "pyarrow": lambda: table}[library]()
    source = ts.Source.infer(frame, "rows", event_time="eventTime", batch=ts.Batch("rows.parquet"))
    assert source.event_time == "event_time" and source.schema == {
        "event_time": ts.Column("timestamp", column="eventTime"),
        "user_id_2": ts.Column("int64", column="userId"),
        "bad_name": ts.Column("float64", column="Bad Name"),
        "user_id": "string",
        "column_5": ts.Column("string", column="名前"),
    }
    user = ts.Entity("user", keys={"user": "int64"})
    view = ts.FeatureView(
        "values", 1, entity=user, source=source, keys={"user": "user_id_2"}, features={"last": ts.Latest("bad_name")}
    )
    service = ts.FeatureService("scored", 1, [ts.Take(view)])
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "all.yaml").write_text(ts.to_yaml(user, source, view, service), encoding="utf-8")
    store = ts.Store(tmp_path)
    assert store.plan().ok
    store.apply()
    store.backfill()
    assert store.features("scored", {"user": 7})["last"] == 2.5


def test_a_column_whose_name_no_definition_can_use_is_refused_with_how_to_declare_it(folder):
    source = ts.Source("rows", schema={"userId": "int64"}, batch=ts.Batch("rows.parquet"))
    (folder / "features" / "rows.yaml").write_text(source.to_yaml())
    with pytest.raises(ts.InputError, match=r'`userId` is not a name.*`user_id: \{type: int64, column: "userId"\}`'):
        ts.Store(folder).apply()


def test_what_is_no_definition_is_refused_by_name(loaded):
    view = ts.FeatureView("x", 1, entity="airport", source="landings", keys={"airport": "dest"}, features={"n": ts.Aggregate("count")})
    with pytest.raises(ts.InputError, match="pandas.*DataFrame is not a definition: build an Entity"):
        loaded.try_view(view, SPINE, SPINE, time="at")
    with pytest.raises(ts.InputError, match="DataFrame is not a view"):
        loaded.try_view(SPINE, SPINE, time="at")
    with pytest.raises(ts.InputError, match="`features` of feature_service `x` cannot be written: .*DataFrame"):
        ts.FeatureService("x", 1, [SPINE]).to_yaml()


def test_a_column_that_no_definition_has_is_named():
    with pytest.raises(ts.InputError, match="`nested` is struct"):
        ts.Source.infer(pa.table({"nested": [{"a": 1}]}), "rows")
    for twice in (pd.DataFrame([[1, 2]], columns=["a", "a"]), pa.table([[1], [2]], names=["a", "a"])):
        with pytest.raises(ts.InputError, match="several columns named `a`"):
            ts.Source.infer(twice, "rows")
    with pytest.raises(ts.InputError, match="Series is one column"):
        ts.Source.infer(pd.Series([1]), "rows")
    with pytest.raises(ts.InputError, match="is not a duration"):
        ts.Aggregate("count", window=dt.timedelta(0))._keys()


SPINE = pd.DataFrame({"airport": ["LAX", "BOS"], "at": pd.to_datetime(["2026-01-01T12:00:00Z"] * 2), "label": [1, 0]})


def everything(folder):
    """Every file of a project, with what is in it."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_view_is_tried_and_nothing_is_left_behind(folder, command, monkeypatch, tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    store = ts.Store(folder)
    before = everything(folder)
    view = ts.FeatureView(
        "seats",
        1,
        entity="airport",
        source="landings",
        keys={"airport": "dest"},
        features={"seats_1d": ts.Aggregate("count", window="1d"), "last_delay": ts.Latest("arr_delay")},
    )
    tried = store.try_view(view, SPINE, time="at")
    assert list(tried.columns) == ["airport", "at", "label", "seats_1d", "last_delay"]
    assert tried["seats_1d"].tolist() == [1, 2] and tried["last_delay"].tolist() == [4.5, -3.25]
    assert everything(folder) == before and list(scratch.iterdir()) == []
    # Registered, it gives the same.
    service = ts.FeatureService("seats", 1, [ts.Take(view)])
    (folder / "features" / "seats.yaml").write_text(ts.to_yaml(view, service))
    store.apply()
    store.backfill("seats@1")
    pd.testing.assert_frame_equal(store.training_set("seats", SPINE, time="at"), tried)


def test_a_view_over_a_source_that_is_nowhere_yet_is_tried(folder):
    source = ts.Source.infer(
        pd.read_csv(folder / "landings.csv", parse_dates=["landed_at"]),
        "inferred",
        event_time="landed_at",
        batch=ts.Batch("landings.csv"),
    )
    view = ts.FeatureView(
        "inferred",
        1,
        entity="airport",
        source=source,
        keys={"airport": "dest"},
        features={"delay": ts.Latest("arr_delay")},
    )
    tried = ts.Store(folder).try_view(view, SPINE, source, time="at")
    assert tried["delay"].tolist() == [4.5, -3.25]
    computed = ts.OnDemandView(
        "doubled",
        1,
        inputs=[ts.Take(view)],
        request={"label": "int64"},
        features={"doubled": ts.Expression("delay * 2 + label")},
    )
    tried = ts.Store(folder).try_view(computed, SPINE, source, view, time="at")
    assert tried["doubled"].tolist() == [10.0, -6.5]


def test_what_a_tried_view_reads_is_loaded_first(folder):
    busy = ts.FeatureView(
        "busy",
        1,
        entity="airport",
        source=ts.Input("airport_arrivals@1"),
        features={"most": ts.Aggregate("max(arrivals_1h)", window="1d")},
    )
    doubled = ts.OnDemandView("doubled", 1, inputs=[ts.Take(busy)], features={"twice": ts.Expression("most * 2")})
    again = ts.OnDemandView("again", 1, inputs=[ts.Take(doubled)], features={"more": ts.Expression("twice + 1")})
    store = ts.Store(folder)
    assert store.try_view(busy, SPINE, time="at")["most"].tolist() == [1, 2]
    assert store.try_view(again, SPINE, busy, doubled, time="at")["more"].tolist() == [3, 5]


def test_what_is_wrong_with_a_tried_view_is_said_as_by_plan(folder):
    view = ts.FeatureView("wrong", 1, entity="airport", source="landings", features={"x": ts.Latest("nothing")})
    with pytest.raises(ts.InputError, match="nothing"):
        ts.Store(folder).try_view(view, SPINE, time="at")
    with pytest.raises(ts.InputError, match="a Source is not a view"):
        ts.Store(folder).try_view(LANDINGS, SPINE, time="at")
