"""What is defined, and what logs hold."""

import datetime as dt

import polars as pl
import pyarrow as pa
import pytest

import twinstore as ts

MOMENT = dt.datetime(2026, 1, 1, 11, 30, tzinfo=dt.timezone.utc)


def test_definitions_are_listed_and_found(loaded):
    assert loaded.views().names == ["airport_arrivals@1", "user_clicks@1"]
    assert set(loaded.services().names) == {"everything@1", "late_arrival@1", "prices@1"}
    assert "airport_arrivals@1" in repr(loaded.views()) and "<table>" in loaded.services()._repr_html_()
    found = loaded.search("DELAY")
    assert "late_arrival@1" in {one["of"].split()[-1] for one in found.features if one["name"] == "last_delay"}
    assert found.names == [] and loaded.search("late_arr").names == ["late_arrival@1"]


def test_a_view_shows_its_features_and_its_log(loaded):
    view = loaded.view("airport_arrivals")
    assert view.name == "airport_arrivals@1" and view.keys == ["airport"]
    assert view.features["last_seats"] == "int64" and "last_seats" in repr(view)
    assert len(view.head(2)) == 2
    assert pl.scan_pyarrow_dataset(view.log()).select(pl.len()).collect().item() == 3
    statistics = view.statistics()
    assert statistics.data["rows"] == 3 and "3 rows" in repr(statistics)
    delays = statistics["arr_delay"]
    assert (delays["null"], delays["least"], delays["greatest"], delays["mean"]) == (1, -3.25, 4.5, 0.625)


def test_statistics_count_what_is_not_finite_and_leave_it_out_of_the_mean(folder):
    (folder / "landings.csv").write_text(
        "landed_at,dest,arr_delay,seats\n"
        + "".join(f"2026-01-01T10:0{n}:00Z,LAX,{delay},1\n" for n, delay in enumerate(["1", "2", "NaN", "inf", "1e308", ""]))
    )
    store = ts.Store(folder)
    store.apply()
    store.backfill("airport_arrivals")
    delays = store.view("airport_arrivals").statistics()["arr_delay"]
    assert (delays["null"], delays["not_finite"], delays["distinct"]) == (1, 2, 5)
    assert (delays["least"], delays["greatest"], delays["mean"]) == (1.0, float("inf"), 1e308 / 3)
    day = next(one for one in store.quality("airport_arrivals").days if one["column"] == "arr_delay")
    assert (day["nulls"], day["not_finite"], day["mean"]) == (1, 2, 1e308 / 3)
    assert dict(zip(day["per_mille"], day["quantiles"]))[500] == 2.0
    for shown in (repr(store.view("airport_arrivals").statistics()), repr(store.quality("airport_arrivals"))):
        assert "NOT FINITE" in shown and "e+307" in shown and "0" * 30 not in shown


def test_a_view_without_a_log_says_what_loads_it(loaded):
    view = loaded.view("user_clicks@1")
    assert "0 rows" in repr(view)
    with pytest.raises(ts.InputError, match=r'from its stream, so push some and call `store.stream\("user_clicks@1"\)`'):
        view.head()
    with pytest.raises(ts.InputError, match=r'call `store.stream\("user_clicks@1"\)`'):
        loaded.batch_features("prices")
    with pytest.raises(ts.InputError, match="user_clikcs"):
        loaded.view("user_clikcs")


def test_every_entity_is_scored_without_a_spine(loaded):
    batch = loaded.batch_features("late_arrival", at=MOMENT).sort_by("dest")
    spine = pa.table({"dest": ["BOS", "LAX"], "at": pa.array([MOMENT] * 2, pa.timestamp("us", "UTC"))})
    assert batch.equals(loaded.training_set("late_arrival", spine, time="at").drop_columns(["at"]).replace_schema_metadata(batch.schema.metadata))
    now = loaded.batch_features("late_arrival").sort_by("dest").to_pydict()
    served = loaded.features("late_arrival", {"dest": now.pop("dest")})
    assert served.to_dict() == now


def test_a_service_of_several_entities_has_no_batch(store):
    with open(store.folder + "/features/flights.yaml", "a") as file:
        file.write(
            "---\nkind: on_demand_view\nname: scaled\nversion: 1\nrequest: {factor: float64}\n"
            "inputs: [{from: airport_arrivals@1, on: {airport: dest}, take: [last_delay]}]\n"
            'features: {scaled_delay: {expression: "last_delay * factor"}}\n'
            "---\nkind: feature_service\nname: pair\nversion: 1\nfeatures:\n"
            "  - {from: airport_arrivals@1, on: {airport: dest}, prefix: dest_}\n"
            "  - {from: airport_arrivals@1, on: {airport: origin}, prefix: origin_}\n"
            "---\nkind: feature_service\nname: scaled_service\nversion: 1\nfeatures: [{from: scaled@1}]\n"
        )
    store.apply()
    with pytest.raises(ts.InputError, match="pair@1 reads several entities .*by dest.*by origin.*spine"):
        store.batch_features("pair")
    with pytest.raises(ts.InputError, match="scaled_service@1 needs the request column factor"):
        store.batch_features("scaled_service")
    assert store.features("scaled_service", {"dest": "LAX", "factor": 2}).to_dict() == {"scaled_delay": 9.0}
