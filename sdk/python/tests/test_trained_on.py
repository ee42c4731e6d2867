"""What a model is kept with: the features that it was trained on, by which it refuses others."""

import json

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import twinstore as ts

AT = pd.Timestamp("2026-01-01T11:30:00Z")


def spine():
    return pd.DataFrame({"dest": ["BOS", "LAX"], "at": [AT, AT]})


@pytest.mark.parametrize("make", [pd.DataFrame, pl.from_pandas, pa.Table.from_pandas], ids="pandas polars pyarrow".split())
def test_a_frame_says_what_it_was_made_from(loaded, make):
    training = loaded.training_set("late_arrival", make(spine()), time="at")
    made = loaded.trained_on(training)
    assert (made.service, made.features, made.as_of, made.rows) == ("late_arrival@1", ("last_delay", "arrivals_1h"), "available", 2)
    assert made.service_hash == loaded.service("late_arrival").hash and list(made.log_versions) == ["airport_arrivals@1"]
    # Through JSON and back.
    assert ts.TrainedOn.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_a_file_says_it_by_its_manifest(store):
    spine().to_parquet(store.folder + "/spine.parquet")
    store.training_set("late_arrival", "spine.parquet", time="at", out="training.parquet")
    made = store.trained_on("training.parquet")
    frame = store.trained_on(store.training_set("late_arrival", spine(), time="at"))
    assert made == frame
    with pytest.raises(ts.InputError, match=r"no manifest .*nowhere.parquet.manifest.json.*out="):
        store.trained_on("nowhere.parquet")
    with pytest.raises(ts.InputError, match="has no summary"):
        store.trained_on(spine())


def test_a_service_that_computes_others_is_refused_by_the_hash(store):
    made = store.trained_on(store.training_set("late_arrival", spine(), time="at"))
    assert store.features("late_arrival", {"dest": "LAX"}, trained_on=made.service_hash)["last_delay"] == 4.5
    with pytest.raises(ts.InputError, match="everything@1 is not what the model was trained on"):
        store.features("everything", {"dest": "LAX"}, trained_on=made.service_hash)


def test_what_another_version_stored_is_refused_with_a_sentence():
    with pytest.raises(ts.InputError, match="in format 9, and this version of twinstore reads format 1"):
        ts.TrainedOn.from_dict({"format": 9})
