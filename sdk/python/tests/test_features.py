"""Online reads: values, statuses and times, of one entity or of many."""

import datetime as dt
import shutil
import threading
import time
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import twinstore as ts

LANDED = dt.datetime(2026, 1, 1, 10, 0, tzinfo=dt.timezone.utc)


def test_one_entity_is_a_dict_of_values(loaded):
    read = loaded.features("everything", {"dest": "LAX"})
    assert read.to_dict() == {"last_delay": 4.5, "arrivals_1h": 0, "last_seats": 180, "landed": LANDED}
    assert read["last_delay"] == 4.5 and len(read) == 1 and read.service == "everything@1"
    assert set(read.statuses.values()) == {"PRESENT"}
    assert read.event_times["landed"] == LANDED and read.ages["landed"] > 0
    assert read.available_at["landed"] == LANDED + dt.timedelta(minutes=2)
    assert "PRESENT" in repr(read) and "<table>" in read._repr_html_()


def test_online_rows_that_are_not_of_the_log_are_warned_of_once(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "project"
    shutil.copytree(folder, other)
    for project in (folder, other):
        with ts.Store(project) as store:
            store.apply()
            store.backfill(progress=False)
    logs = folder / ".twinstore" / "offline"
    shutil.rmtree(logs)
    shutil.copytree(other / ".twinstore" / "offline", logs)
    with ts.Store(folder) as store:
        with pytest.warns(RuntimeWarning, match="is another commit than the one") as warned:
            assert store.features("everything", {"dest": "LAX"})["last_delay"] == 4.5
        assert all(warning.filename == __file__ for warning in warned)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            store.features("everything", {"dest": "LAX"})


@pytest.mark.parametrize(
    "make",
    [
        lambda airports: {"dest": airports},
        lambda airports: {"dest": tuple(airports)},
        lambda airports: [{"dest": airport} for airport in airports],
        lambda airports: {"dest": np.array(airports)},
        lambda airports: {"dest": pd.Series(airports)},
        lambda airports: {"dest": pl.Series(airports)},
        lambda airports: {"dest": pa.array(airports)},
        lambda airports: {"dest": pa.chunked_array([airports[:1], airports[1:]])},
        lambda airports: pd.DataFrame({"dest": airports, "other": [object()] * len(airports)}),
        lambda airports: pd.DataFrame({"other": 1}, index=pd.Index(airports, name="dest")),
        lambda airports: pl.DataFrame({"dest": airports, "other": [1] * len(airports)}),
        lambda airports: pa.table({"dest": airports}),
    ],
    ids="list tuple dicts numpy series polars-series arrow chunked pandas index polars table".split(),
)
def test_many_entities_are_columns_in_their_order(loaded, make):
    read = loaded.features("everything", make(["BOS", "XXX", "LAX"]), features=["last_delay", "last_seats"])
    assert read.to_dict() == {"last_delay": [-3.25, None, 4.5], "last_seats": [70, None, 180]}
    assert read.statuses["last_delay"] == ["PRESENT", "NOT_FOUND", "PRESENT"]
    assert read.event_times["last_delay"][1] is None


def test_features_become_frames(loaded):
    read = loaded.features("everything", {"dest": ["BOS", "XXX"]})
    assert read.to_pandas()["last_seats"].tolist() == [70, pd.NA]
    assert read.to_polars()["last_delay"].to_list() == [-3.25, None]
    assert read.to_arrow().to_pylist() == pa.table(read).to_pylist()
    detailed = read.to_arrow(details=True).column("last_delay").to_pylist()
    assert (detailed[0]["value"], detailed[1]["status"], detailed[1]["age_s"]) == (-3.25, "NOT_FOUND", None)


@pytest.mark.parametrize(
    "index",
    [pd.Index([2, 0, 1]), pd.Index(["c", "a", "b"], name="flight"), pd.MultiIndex.from_tuples([("x", 1), ("x", 2), ("y", 1)])],
    ids="shuffled named levels".split(),
)
def test_features_of_a_pandas_frame_join_to_it_by_its_index(loaded, index):
    frame = pd.DataFrame({"dest": ["LAX", "XXX", "BOS"]}, index=index)
    for entities in [frame, {"dest": frame["dest"]}]:
        read = loaded.features("everything", entities, features=["last_delay", "last_seats"]).to_pandas()
        assert read.index.equals(index) and read.index.names == index.names
        joined = frame.join(read)
        assert joined["last_delay"].tolist()[::2] == [4.5, -3.25] and joined["last_seats"].tolist() == [180, pd.NA, 70]
    one = loaded.features("everything", frame.loc[index == index[0]])
    assert one.to_pandas().index.tolist() == [index[0]]


def test_series_of_several_indexes_are_read_in_their_order(loaded):
    columns = {"dest": pd.Series(["LAX", "BOS"], index=[7, 8])}
    assert loaded.features("late_arrival", columns).to_pandas().index.tolist() == [7, 8]
    from twinstore._rows import common_index

    assert common_index([columns["dest"], pd.Series([1, 2])]) is None and common_index([[1, 2]]) is None


def test_a_read_of_nobody_has_the_columns(loaded):
    assert loaded.features("everything", {"dest": []}).to_pandas().shape == (0, 4)


def test_the_value_is_what_the_command_reads(loaded, command):
    import json

    said = json.loads(command(loaded.folder, "get", "everything", "dest=BOS", "--format", "json"))
    read = loaded.features("everything", {"dest": "BOS"})
    for name, feature in said["features"].items():
        value = read[name] if name != "landed" else read[name].isoformat().replace("+00:00", "Z")
        assert (value, read.statuses[name]) == (feature["value"], feature["status"])


def test_what_is_applied_meanwhile_is_followed(store):
    store.features("late_arrival", {"dest": "LAX"})
    definitions = store.folder + "/features/flights.yaml"
    with open(definitions, "a") as file:
        file.write(
            "---\nkind: feature_service\nname: newer\nversion: 1\n"
            "features: [{from: airport_arrivals@1, on: {airport: dest}, take: [landed]}]\n"
        )
    store.apply()
    deadline = time.monotonic() + 10
    while True:
        try:
            assert store.features("newer", {"dest": "LAX"})["landed"] == LANDED
            break
        except ts.InputError:
            assert time.monotonic() < deadline


def test_threads_share_a_store(loaded):
    found = []

    def read():
        for _ in range(50):
            found.append(loaded.features("late_arrival", {"dest": "LAX"})["last_delay"])

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [4.5] * 400


def test_pushed_rows_are_read_once_they_are_streamed(store, command):
    now = dt.datetime.now(dt.timezone.utc)
    pushed = store.push(
        "clicks",
        [{"at": now, "user": 7, "price": 1.5}, {"at": now, "user": "seven"}, {"at": now, "user": np.int64(7), "price": float("nan")}],
    )
    assert pushed.taken == 2 and list(pushed.refused) == [2] and "user" in pushed.refused[2]
    frame = pd.DataFrame({"at": [now], "user": [7], "price": [2.5]})
    assert store.push("clicks", frame).taken == 1
    command(store.folder, "stream", "--until-caught-up")
    assert store.features("prices", {"user": 7}).to_dict() == {"clicks": 3, "last_price": 2.5}
