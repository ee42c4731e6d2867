"""Bad input works, or raises one sentence that says what to change."""

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import twinstore as ts

AT = pd.Timestamp("2026-01-01T11:30:00Z")


def frame(**columns):
    return pd.DataFrame({"dest": ["BOS", "LAX"], "at": [AT, AT], **columns})


def refused(loaded, spine, *words, time="at", service="late_arrival", **options):
    with pytest.raises(ts.InputError) as raised:
        loaded.training_set(service, spine, time=time, **options)
    said = str(raised.value)
    assert "\n" not in said, said
    for word in words:
        assert word in said, said


def last_delay(loaded, spine, service="late_arrival"):
    return [None if x is None or x != x else x for x in loaded.training_set(service, spine, time="at")["last_delay"].tolist()]


def test_missing_and_duplicate_columns_are_named(loaded):
    refused(loaded, frame().drop(columns="dest"), "no column `dest`, a join key of late_arrival@1", "its columns are at")
    refused(loaded, frame(), "no column `when`, the label times", time="when")
    twice = pd.concat([frame(), frame()[["dest"]]], axis=1)
    refused(loaded, twice, "several columns named `dest`")
    refused(loaded, pd.concat([frame(x=1), frame(x=2)[["x"]]], axis=1), "several columns named `x`")
    refused(loaded, frame(last_delay=1.0), "already has a column `last_delay`", "rename")
    refused(loaded, frame(airport_arrivals__age_s=1.0), "`airport_arrivals__age_s`", "rename", explain=True)
    levels = frame()
    levels.columns = pd.MultiIndex.from_tuples([("a", "dest"), ("a", "at")])
    refused(loaded, levels, "several levels")


def test_times_that_are_none_are_refused(loaded):
    refused(loaded, frame().assign(at=["2026-01-01", "soon"]), "the time column `at` is", "must be a timestamp")
    refused(loaded, frame().assign(at=[1, 2]), "the time column `at` is int64")
    missing = frame()
    missing.loc[1, "at"] = pd.NaT
    refused(loaded, missing, "row 2", "`at` is null")


def test_mixed_zones_are_moments_and_a_mix_with_none_is_refused(loaded):
    east, west = dt.timezone(dt.timedelta(hours=2)), dt.timezone(dt.timedelta(hours=-5))
    mixed = frame()
    mixed["at"] = pd.Series([AT.to_pydatetime().astimezone(east), AT.to_pydatetime().astimezone(west)], dtype=object)
    assert last_delay(loaded, mixed) == [-3.25, 4.5]
    mixed["at"] = pd.Series([AT.to_pydatetime(), dt.datetime(2026, 1, 1)], dtype=object)
    refused(loaded, mixed, "with a zone and times without one", "utc=True")


def test_dates_and_other_units_of_time_are_moments(loaded):
    for unit in ["s", "ms", "us", "ns"]:
        spine = frame()
        spine["at"] = spine["at"].dt.as_unit(unit)
        assert last_delay(loaded, spine) == [-3.25, 4.5]
    with pytest.warns(ts.NaiveTimeWarning):
        assert last_delay(loaded, frame(at=[dt.date(2026, 1, 2)] * 2)) == [-3.25, 4.5]


@pytest.mark.parametrize(
    "dest",
    [
        pd.Series(["BOS", "LAX"], dtype=object),
        pd.Categorical(["BOS", "LAX"]),
        pd.array(["BOS", "LAX"], dtype="string"),
        pd.Series(["BOS", "LAX"], dtype=pd.ArrowDtype(pa.large_string())),
        pd.Series(["BOS", "LAX"], dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))),
    ],
    ids="object categorical nullable large dictionary".split(),
)
def test_every_encoding_of_a_text_is_a_key(loaded, dest):
    assert last_delay(loaded, frame().assign(dest=dest)) == [-3.25, 4.5]


def test_a_missing_category_is_the_key_of_nobody(loaded):
    assert last_delay(loaded, frame().assign(dest=pd.Categorical(["BOS", None], categories=["BOS", "never"]))) == [-3.25, None]
    for column in [
        pd.Categorical(["BOS", None]),
        pd.Series(["BOS", None], dtype="category"),
        pd.CategoricalIndex(["BOS", None]),
        pd.array(["BOS", None], dtype="string"),
        pd.Series(["BOS", np.nan], dtype=object),
        np.array(["BOS", None], dtype=object),
    ]:
        assert loaded.features("late_arrival", {"dest": column})["last_delay"] == [-3.25, None]


def test_columns_beside_the_keys_come_back_with_the_types_of_pandas(loaded):
    beside = {
        "whole": pd.array([1, None], dtype="Int8"),
        "truth": pd.array([True, None], dtype="boolean"),
        "text": pd.array(["a", None], dtype="string"),
        "category": pd.Categorical(["x", "y"], ordered=True),
        "arrow": pd.array([1.5, None], dtype=pd.ArrowDtype(pa.float32())),
        "span": pd.to_timedelta([1, None], unit="s"),
        "object": [{"a": 1}, (1, 2)],
        "period": pd.period_range("2026-01", periods=2, freq="M"),
    }
    spine = frame(**beside)
    pd.testing.assert_frame_equal(loaded.training_set("late_arrival", spine, time="at")[list(spine.columns)], spine)


def test_an_index_is_read_by_its_name_where_no_column_has_it(loaded):
    spine = frame().assign(dest=["LAX", "BOS"])
    # The index repeats a value, is out of order, and has the name of a column, which is the one that is read.
    spine.index = pd.Index(["BOS", "BOS"], name="dest")
    got = loaded.training_set("late_arrival", spine, time="at")
    assert got["last_delay"].tolist() == [4.5, -3.25] and got.index.equals(spine.index)
    levels = frame(other=1).set_index(["dest", "at"])
    got = loaded.training_set("late_arrival", levels, time="at")
    assert got["last_delay"].tolist() == [-3.25, 4.5] and got.index.names == ["dest", "at"]
    unnamed = frame().set_index("dest")
    unnamed.index.name = None
    refused(loaded, unnamed, "no column `dest`")


def test_chunked_arrays_are_one_column(loaded):
    table = pa.table({"dest": ["BOS", "LAX"], "at": pa.array([AT, AT], pa.timestamp("ns", "UTC"))})
    chunked = pa.concat_tables([table.slice(0, 1), table.slice(1, 1), table])
    got = loaded.training_set("late_arrival", chunked, time="at")
    assert got.column("last_delay").to_pylist() == [-3.25, 4.5, -3.25, 4.5]
    got = loaded.training_set("late_arrival", pl.concat([pl.from_arrow(table)] * 2, rechunk=False), time="at")
    assert got["last_delay"].to_list() == [-3.25, 4.5, -3.25, 4.5]


def test_object_columns_of_several_types_are_refused_only_where_they_are_read(loaded):
    assert last_delay(loaded, frame(note=["text", 7])) == [-3.25, 4.5]
    refused(loaded, frame().assign(dest=["BOS", 7]), "the column `dest` is no column of one type", "astype")
    refused(loaded, pl.DataFrame({"dest": pl.Series([object()], dtype=pl.Object), "at": [AT]}), "`dest`", "cast it")
    refused(loaded, frame().assign(dest=[1.5, 2.5]), "`dest`", "float64", "string")


def test_a_null_key_is_the_key_of_nobody(loaded):
    assert last_delay(loaded, frame().assign(dest=["BOS", None])) == [-3.25, None]
    assert last_delay(loaded, frame().assign(dest=["BOS", np.nan])) == [-3.25, None]
    assert loaded.features("late_arrival", {"dest": pd.Series(["BOS", None], dtype="string")})["last_delay"] == [-3.25, None]


def test_keys_of_numbers_are_read_value_by_value(store, command):
    now = dt.datetime.now(dt.timezone.utc)
    store.push("clicks", [{"at": now, "user": 7, "price": 1.5}])
    command(store.folder, "stream", "--until-caught-up")
    later = pd.Timestamp(now + dt.timedelta(minutes=5))

    def prices(users):
        spine = pd.DataFrame({"user": users, "at": [later] * len(users)})
        return [None if pd.isna(x) else x for x in store.training_set("prices", spine, time="at")["last_price"]]

    # A missing value makes pandas' integers floats.
    assert prices([7, None]) == [1.5, None]
    assert prices([7, np.nan]) == [1.5, None]
    assert prices(pd.array([7, None], dtype="Int64")) == [1.5, None]
    assert prices(pd.array([7, 8], dtype="int8")) == [1.5, None]
    assert prices(pd.Categorical([7, None, 8])) == [1.5, None, None]
    refused(store, pd.DataFrame({"user": [7, 7.5], "at": [later] * 2}), "row 2", "`user` is int64, and 7.5 is not", service="prices")
    refused(store, pd.DataFrame({"user": ["7"], "at": [later]}), "`user`", "int64", service="prices")
    assert store.features("prices", pd.DataFrame({"user": [7, np.nan]})).to_dict()["last_price"] == [1.5, None]
    with pytest.raises(ts.InputError, match="`user` holds .*7.5.* where a whole number"):
        store.features("prices", {"user": [7.5]})
    with pytest.raises(ts.InputError, match="`user` holds .*99999999999999999999.*"):
        store.features("prices", {"user": [99999999999999999999]})


def test_a_million_rows_with_one_bad_row_name_it(loaded):
    times = pd.Series(pd.to_datetime(np.full(1_000_000, AT.value))).dt.tz_localize("UTC")
    times.iloc[765_432] = pd.NaT
    spine = pd.DataFrame({"dest": "BOS", "at": times})
    refused(loaded, spine, "row 765433", "`at` is null")


def test_what_is_no_frame_is_refused(loaded):
    refused(loaded, [{"dest": "BOS"}], "is not a frame", "pandas, polars or pyarrow")
    refused(loaded, None, "is not a frame")
    for column in (frame()["dest"], pl.Series(["BOS"]), pa.chunked_array([["BOS"]]), pa.array(["BOS"])):
        refused(loaded, column, "a frame", "pandas, polars or pyarrow")
    refused(loaded, "spine.parquet", "`out`")
    refused(loaded, frame(), "leave out `out`", out="x.parquet")
    refused(loaded, frame(), "`as_of`", as_of="now")
    refused(loaded, frame(), "no service `late_arival`", service="late_arival")


def test_entities_that_do_not_fit_are_named(loaded):
    for entities, words in [
        ({}, "the join key `dest` is missing"),
        ({"dst": "LAX"}, "the join key `dst` is unknown, did you mean `dest`?"),
        ({"dest": 7}, "`dest` holds 7, where a string is needed"),
        ({"dest": ["LAX", 7]}, r"`dest` holds 7, where a string is needed \(row 2\)"),
        ({"dest": b"LAX"}, "`dest` holds .*, where a string is needed"),
        ({"dest": dt.datetime(2030, 1, 1, tzinfo=dt.timezone.utc)}, "`dest` holds .*, where a string is needed"),
        ({"dest": ["LAX"], "more": ["x", "y"]}, "`more`"),
        ({"dest": object()}, "`dest`"),
        ({"dest": {"LAX", "BOS"}}, "builtins.set is neither one value nor a column"),
        (pd.DataFrame({"other": [1]}), "the join key `dest` is missing"),
    ]:
        with pytest.raises((ts.InputError, TypeError), match=words):
            loaded.features("late_arrival", entities)
    for entities, words in [
        (frame().iloc[0], "pandas.*Series is one column or one row .*: pass a dict, a list of dicts, or a frame"),
        (pl.Series(["BOS"]), "polars.*Series is one column or one row"),
        (pa.chunked_array([["BOS"]]), "ChunkedArray is not .*a frame"),
        (None, "NoneType is not a frame: pass a dict"),
        ("LAX", "str is not a frame: pass a dict"),
        ([], "the list of entities is empty"),
        (["LAX"], "row 1 is a str: a row is a dict"),
        ([{"dest": "LAX"}, {}], "row 2 has no `dest`, and other rows have"),
    ]:
        with pytest.raises(ts.InputError, match=words):
            loaded.features("late_arrival", entities)
    with pytest.raises(ts.InputError, match="one value and other columns are lists"):
        loaded.features("late_arrival", {"dest": ["LAX"], "more": 1})
    with pytest.raises(ts.InputError, match="last_dely.*did you mean `last_delay`"):
        loaded.features("late_arrival", {"dest": "LAX"}, features=["last_dely"])
    with pytest.raises(ts.InputError, match="too early for the online store"):
        loaded.features("late_arrival", {"dest": "LAX"}, at="2020-01-01")


def test_a_project_that_is_not_there_or_not_applied_is_said_with_what_to_call(tmp_path, folder):
    with pytest.raises(ts.InputError, match=r"there is no folder .*: name the project's folder: `Store\("):
        ts.Store(tmp_path / "nowhere")
    with pytest.raises(ts.InputError, match=r"nothing is registered in .*: call `store.apply\(\)` first"):
        ts.Store(folder).features("late_arrival", {"dest": "LAX"})
    store = ts.Store(folder)
    store.apply()
    with pytest.raises(ts.Error, match=r'store.backfill\("airport_arrivals@1"\)'):
        store.training_set("late_arrival", frame(), time="at")


def test_an_exception_says_what_to_do_by_its_class():
    assert {ts.InputError.__base__, ts.TransientError.__base__, ts.FatalError.__base__} == {ts.Error}


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda store: store.training_set("late_arrival", frame(), time="at", threads=-1), "`threads` is -1: give a whole number"),
        (lambda store: store.training_set("late_arrival", frame(), time="at", max_memory="1GB"), "`max_memory` is '1GB': give"),
        (lambda store: store.training_set("late_arrival", frame(), time="at", max_memory=1e9), "`max_memory` is 1000000000.0"),
        (lambda store: store.training_set("late_arrival", frame(), time="at", threads=1 << 70), "`threads` is .*: give .* up to"),
        (lambda store: store.view("airport_arrivals@1").head(-1), "`rows` is -1"),
        (lambda store: store.view("airport_arrivals@1").head(None), "`rows` is None"),
        (lambda store: store.view("airport_arrivals@1").head(True), "`rows` is True"),
        (lambda store: store.verify_values(entities=-1), "`entities` is -1: give a whole number of 1 or more"),
        (lambda store: store.verify_values(entities=0), "`entities` is 0: give a whole number of 1 or more"),
        (lambda store: store.verify_values(entities=1 << 64), "`entities` is .*: give a whole number up to"),
        (lambda store: store.verify_values(entities=1.5), "`entities` is 1.5: give"),
        (lambda store: store.verify_values(entities="all"), "`entities` is 'all': give"),
        (lambda store: store.parity("late_arrival@1", "everything@1", rows=-1), "`rows` is -1: give a whole number of 1 or more"),
        (lambda store: store.parity("late_arrival@1", "everything@1", rows=True), "`rows` is True: give"),
        (lambda store: store.parity("late_arrival@1", "everything@1", rows=np.float64(5)), "`rows` is .*5.0.*: give"),
        (lambda store: store.parity("late_arrival@1", "everything@1", rows=10_000_001), "`rows` is 10000001: give a whole number up to 10000000"),
        (lambda store: store.features("late_arrival", {"dest": "LAX"}, at=7), "7 is not a time"),
        (lambda store: store.features("late_arrival", {"dest": "LAX"}, at=pd.NaT), "the time is NaT"),
        (lambda store: store.features("late_arrival", {"dest": "LAX"}, at=np.datetime64("NaT")), "the time is NaT"),
    ],
)
def test_an_argument_of_another_kind_is_said_in_one_sentence(loaded, call, words):
    with pytest.raises(ts.InputError, match=words):
        call(loaded)


def test_a_whole_number_of_numpy_is_one_and_a_great_one_is_no_more_than_there_is(loaded):
    for entities in (np.int64(1), np.uint8(1), (1 << 63) - 1):
        assert loaded.verify_values("late_arrival", entities=entities).ok
    assert len(loaded.view("airport_arrivals@1").head(np.int32(2))) == 2
    spine = frame()
    for threads in (np.int16(2), 1_024):
        assert last_delay(loaded, spine) == loaded.training_set("late_arrival", spine, time="at", threads=threads)["last_delay"].tolist()


def test_one_name_of_a_feature_is_a_list_of_one_and_a_time_of_numpy_is_a_time(loaded):
    entities = {"dest": "LAX"}
    assert loaded.features("late_arrival", entities, features="last_delay").to_dict() == {"last_delay": 4.5}
    at = loaded.features("late_arrival", entities, at=np.datetime64("2030-01-01T00:00:00")).at
    assert at == loaded.features("late_arrival", entities, at="2030-01-01").at
