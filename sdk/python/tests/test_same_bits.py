"""Python's training set equals the command's, to the bit."""

import datetime as dt
import pathlib
import shutil
import struct
import tempfile

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import twinstore as ts

EXAMPLE = pathlib.Path(__file__).parents[3] / "examples" / "flights"


def bits(column):
    """The values of a column, floats by their bits."""

    def of(value):
        if isinstance(value, list):
            return [of(one) for one in value]
        return struct.pack("<d", value) if isinstance(value, float) else value

    return [of(value) for value in column.to_pylist()]


def with_nan_for_null(lists):
    """Lists of floats by their bits, with NaN instead of null."""
    nan = struct.pack("<d", float("nan"))
    return [one and [nan if value is None else value for value in one] for one in lists]


def assert_same(got, expected):
    assert got.column_names == expected.column_names
    for name in expected.column_names:
        assert got.column(name).type == expected.column(name).type, name
        assert bits(got.column(name)) == bits(expected.column(name)), name


@pytest.fixture(scope="session")
def january(tmp_path_factory):
    """The flights example, with the history of January, and its departures."""
    folder = tmp_path_factory.mktemp("flights") / "project"
    shutil.copytree(EXAMPLE, folder)
    store = ts.Store(folder)
    store.apply()
    views = [one["name"] for one in store.views().data["definitions"] if one["kind"] == "feature_view"]
    store.backfill(*[view for view in views if view != "airframe"], end="2013-02-01T00:00:00Z")
    # Its source has no event times.
    store.backfill("airframe")
    spine = pq.read_table(folder / "data" / "departures.parquet")
    month = pc.less(spine.column("scheduled_departure"), pa.scalar(dt.datetime(2013, 2, 1, tzinfo=dt.timezone.utc)))
    return folder, spine.filter(month).take(list(range(0, 26_000, 4)))


@pytest.mark.parametrize("options", [{}, {"as_of": "event"}, {"explain": True}], ids=["available", "event", "explain"])
def test_on_the_flights_example(january, tmp_path, command, options):
    folder, spine = january
    pq.write_table(spine, tmp_path / "spine.parquet")
    flags = [f for name, value in options.items() for f in ([f"--{name}"] if value is True else ["--as-of", value])]
    files = ["--spine", tmp_path / "spine.parquet", "--out", tmp_path / "out.parquet"]
    command(folder, "training-set", "--service", "late_arrival", "--time", "scheduled_departure", *files, *flags)
    expected = pq.read_table(tmp_path / "out.parquet")
    assert expected.num_rows == 6_500
    store = ts.Store(folder)

    def build(frame):
        return store.training_set("late_arrival", frame, time="scheduled_departure", **options)

    assert_same(build(spine), expected)
    # Through pandas and polars the features are the same; they have text types of their own.
    added = expected.column_names[spine.num_columns :]
    for frame in [pa.Table.from_pandas(build(spine.to_pandas()), preserve_index=False), build(pl.from_arrow(spine)).to_arrow()]:
        for name in added:
            assert bits(frame.column(name).cast(expected.column(name).type)) == bits(expected.column(name)), name


MINUTE = dt.timedelta(minutes=1)
BEGIN = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
AIRPORTS = ["LAX", "BOS", "S,F \"O", "ü"]
moments = st.integers(0, 240).map(lambda minutes: BEGIN + minutes * MINUTE)
delays = st.none() | st.floats(width=64, allow_infinity=True, allow_nan=True) | st.sampled_from([0.0, -0.0, 0.1, 1e308])
rows = st.lists(
    st.fixed_dictionaries(
        {
            "landed_at": moments,
            "dest": st.sampled_from(AIRPORTS),
            "arr_delay": delays,
            "seats": st.none() | st.integers(-(2**63), 2**63 - 1),
        }
    ),
    min_size=1,
    max_size=30,
)
labels = st.lists(st.tuples(st.none() | st.sampled_from([*AIRPORTS, "XXX"]), moments), max_size=20)

VIEWS = """
kind: source
name: landings
schema: {landed_at: timestamp, dest: string, arr_delay: float64, seats: int64}
event_time: landed_at
batch: {path: landings.parquet}
assumed_delay: 2m
---
kind: entity
name: airport
keys: {airport: string}
---
kind: feature_view
name: airport_arrivals
version: 1
entity: airport
source: landings
keys: {airport: dest}
ttl: 90m
features:
  last_delay: {latest: arr_delay}
  last_seats: {latest: seats}
  landed:     {latest: landed_at}
  count_1h:   {aggregate: count, window: 1h}
  sum_1h:     {aggregate: sum(arr_delay), window: 1h}
  mean:       {aggregate: mean(arr_delay)}
  total:      {aggregate: sum(seats), default: 0}
  last_three: {aggregate: "last_n(arr_delay, 3)"}
---
kind: feature_service
name: everything
version: 1
features: [{from: airport_arrivals@1, on: {airport: dest}}]
"""


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=rows, spine=labels, as_of=st.sampled_from(["available", "event"]), explain=st.booleans())
def test_on_drawn_histories(command, history, spine, as_of, explain):
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        (folder / "features").mkdir()
        (folder / "features" / "views.yaml").write_text(VIEWS)
        times = pa.timestamp("us", "UTC")
        landed = pa.schema([("landed_at", times), ("dest", pa.string()), ("arr_delay", pa.float64()), ("seats", pa.int64())])
        pq.write_table(pa.Table.from_pylist(history, schema=landed), folder / "landings.parquet")
        table = pa.table(
            {"dest": pa.array([dest for dest, _ in spine], pa.string()), "at": pa.array([at for _, at in spine], times)}
        )
        pq.write_table(table, folder / "spine.parquet")
        store = ts.Store(folder)
        store.apply()
        store.backfill()
        flags = ["--as-of", as_of, *(["--explain"] if explain else [])]
        files = ["--spine", "spine.parquet", "--out", "out.parquet"]
        command(folder, "training-set", "--service", "everything", "--time", "at", *files, *flags)
        expected = pq.read_table(folder / "out.parquet")
        assert_same(store.training_set("everything", table, time="at", as_of=as_of, explain=explain), expected)
        added = expected.column_names[2:]
        for frame in [table.to_pandas(), pl.from_arrow(table)]:
            got = store.training_set("everything", frame, time="at", as_of=as_of, explain=explain)
            got = got.to_arrow() if isinstance(got, pl.DataFrame) else pa.Table.from_pandas(got, preserve_index=False)
            for name in added:
                column = got.column(name)
                # A null float is NaN in pandas.
                expected_here = expected.column(name)
                if isinstance(frame, pd.DataFrame) and pa.types.is_floating(expected_here.type):
                    column, expected_here = column.fill_null(float("nan")), expected_here.fill_null(float("nan"))
                found, known = bits(column.cast(expected_here.type)), bits(expected_here)
                if isinstance(frame, pd.DataFrame) and pa.types.is_list(expected_here.type):
                    # So is one in a list, once pyarrow reads the frame.
                    found, known = (with_nan_for_null(values) for values in (found, known))
                assert found == known, name
        store.close()
