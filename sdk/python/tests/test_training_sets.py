"""Training sets: what goes in comes back, with its features."""

import datetime as dt
import warnings

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import twinstore as ts

UTC = dt.timezone.utc
LABELS = [dt.datetime(2026, 1, 1, 10, 1, tzinfo=UTC), dt.datetime(2026, 1, 1, 11, 30, tzinfo=UTC)]


def table():
    return pa.table({"label": [1, 0], "dest": ["LAX", "BOS"], "at": pa.array(LABELS, pa.timestamp("us", "UTC"))})


def values(frame):
    """The columns of a frame of any library."""
    if isinstance(frame, pd.DataFrame):
        frame = pa.Table.from_pandas(frame, preserve_index=False)
    elif isinstance(frame, pl.DataFrame):
        frame = frame.to_arrow()
    elif isinstance(frame, pa.RecordBatchReader):
        frame = frame.read_all()
    return frame.to_pydict()


EXPECTED = {
    "label": [1, 0],
    "dest": ["LAX", "BOS"],
    "at": LABELS,
    # The first label lies before the row could have been read: two minutes after it happened.
    "last_delay": [None, -3.25],
    "arrivals_1h": [None, 2],
}


@pytest.mark.parametrize(
    "make",
    [
        lambda: table(),
        lambda: table().to_batches()[0],
        lambda: table().to_reader(),
        lambda: table().to_pandas(),
        lambda: pl.from_arrow(table()),
    ],
    ids=["table", "batch", "reader", "pandas", "polars"],
)
def test_what_goes_in_comes_back_with_its_features(loaded, make):
    given = make()
    got = loaded.training_set("late_arrival", given, time="at")
    assert type(got) is type(given)
    assert values(got) == EXPECTED


def test_a_lazy_frame_is_collected(loaded):
    got = loaded.training_set("late_arrival", pl.from_arrow(table()).lazy(), time="at")
    assert isinstance(got, pl.DataFrame) and values(got) == EXPECTED


def test_a_summary_names_what_breakers_held_and_what_is_in_quarantine(folder, command):
    flights = folder / "features" / "flights.yaml"
    expected = "expect: [{column: arr_delay, between: [-120, 1500], on_failure: quarantine}]"
    text = flights.read_text().replace("batch: {path: landings.csv}", "batch: {path: landings}")
    flights.write_text(text.replace("source: landings\nkeys:", f"source: landings\n{expected}\nkeys:"))
    (folder / "landings").mkdir()
    (folder / "landings.csv").rename(folder / "landings" / "a.csv")
    (folder / "landings" / "b.csv").write_text("landed_at,dest,arr_delay,seats\n2026-01-02T10:00:00Z,LAX,9999.0,180\n")
    with ts.Store(folder) as store:
        store.apply()
        store.backfill()
        command(folder, "breaker", "open", "airport_arrivals@1", "--good-until", "2026-01-01T10:20:00Z", "--reason", "test")
        # After the breaker was opened, and before.
        times = [dt.datetime(2200, 1, 1, tzinfo=UTC), LABELS[1]]
        spine = pa.table({"dest": ["LAX", "LAX"], "at": pa.array(times, pa.timestamp("us", "UTC"))})
        pq.write_table(spine, folder / "spine.parquet")
        of_frame = ts.summary(store.training_set("late_arrival", spine, time="at"))
        of_file = store.training_set("late_arrival", folder / "spine.parquet", time="at", out=folder / "out.parquet")
    for said in (of_frame, of_file):
        [opening], [batch] = said.breakers, said.quarantined
        assert (opening["view"], opening["labels"]) == ("airport_arrivals@1", 1)
        assert (batch["view"], batch["rows"]) == ("airport_arrivals@1", 1)
        assert "1 label while the circuit breaker of airport_arrivals@1 was open, and has what was served then" in repr(said)
        assert "its answers as of 2026-01-01T10:20:00Z" in repr(said)
        assert "left out by quarantine: 1 row of a batch of airport_arrivals@1" in repr(said)


def test_a_summary_comes_with_every_frame(loaded):
    for given in [table(), table().to_batches()[0], table().to_pandas(), pl.from_arrow(table())]:
        said = ts.summary(loaded.training_set("late_arrival", given, time="at"))
        assert (said.service, said.length, said.as_of) == ("late_arrival@1", 2, "available")
        assert said.nulls == {"last_delay": 1, "arrivals_1h": 1}
        assert said.leaks_avoided == {"last_delay": 1, "arrivals_1h": 1}
        assert "50.0%" in repr(said) and "<table>" in said._repr_html_()


def test_by_event_time_a_label_sees_what_nobody_could_have_read(loaded):
    got = loaded.training_set("late_arrival", table(), time="at", as_of="event")
    assert got.column("last_delay").to_pylist() == [4.5, -3.25]
    assert "will not be served" in repr(ts.summary(got))


def test_naive_times_are_read_as_utc_said_once_and_features_come_back_naive(loaded):
    spine = table().to_pandas()
    spine["at"] = spine["at"].dt.tz_localize(None)
    with pytest.warns(ts.NaiveTimeWarning, match="`at` has no time zone and was read as UTC") as said:
        got = loaded.training_set("everything", spine, time="at", explain=True)
    assert len(said) == 1
    assert got["landed"].dt.tz is None and got["airport_arrivals__event_time"].dt.tz is None
    # So one can be subtracted from the other.
    age = (got["at"] - got["landed"]).iloc[1]
    assert age == pd.Timedelta(minutes=30) and got["airport_arrivals__age_s"].iloc[1] == age.total_seconds()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        zoned = loaded.training_set("everything", table().to_pandas(), time="at")
    assert str(zoned["landed"].dt.tz) == "UTC"


def test_integers_stay_integers_to_the_last_bit(loaded):
    spine = pa.table({"dest": ["BOS", "XXX"], "at": pa.array([LABELS[1] - dt.timedelta(minutes=45)] * 2)})
    got = loaded.training_set("everything", spine.to_pandas(), time="at")
    assert str(got["last_seats"].dtype) == "Int64"
    assert got["last_seats"].tolist() == [9007199254740993, pd.NA]


def test_a_file_goes_into_a_file_with_its_manifest(store, tmp_path, command):
    pq.write_table(table(), tmp_path / "spine.parquet")
    said = store.training_set("late_arrival", tmp_path / "spine.parquet", time="at", out=tmp_path / "out.parquet")
    assert (said.length, said.nulls["last_delay"]) == (2, 1)
    assert pq.read_table(tmp_path / "out.parquet").to_pydict() == EXPECTED
    assert "equal: 2 rows" in command(store.folder, "training-set", "verify", tmp_path / "out.parquet")


def test_frames_keep_their_index_order_and_types(loaded):
    spine = table().to_pandas().set_index("dest")
    spine["when"] = pd.Categorical(["late", "early"])
    spine["note"] = [object(), {"any": "thing"}]
    got = loaded.training_set("late_arrival", spine, time="at")
    assert got.index.equals(spine.index) and got.index.name == "dest"
    assert str(got["when"].dtype) == "category" and got["note"].iloc[0] is spine["note"].iloc[0]
    assert got["last_delay"].isna().tolist() == [True, False]
    shuffled = spine.iloc[::-1]
    assert loaded.training_set("late_arrival", shuffled, time="at")["last_delay"].tolist()[0] == -3.25


def test_a_frame_without_rows_has_the_columns(loaded):
    got = loaded.training_set("late_arrival", table().slice(0, 0), time="at")
    assert got.num_rows == 0 and got.column_names == list(EXPECTED)
    empty = loaded.training_set("late_arrival", table().to_pandas().iloc[:0], time="at")
    assert len(empty) == 0 and list(empty.columns) == list(EXPECTED)
    batch = pa.RecordBatch.from_pylist([], schema=table().schema)
    assert loaded.training_set("late_arrival", batch, time="at").schema.names == list(EXPECTED)
