"""A view refuses the rows that Great Expectations itself finds."""

import json
import pathlib

import great_expectations as gx
import numpy as np
import pandas as pd
import pytest

import twinstore as ts
from twinstore.expectations import from_great_expectations

DEFINITIONS = """
kind: entity
name: item
keys: {item: int64}
---
kind: source
name: items
schema: {item: int64, at: timestamp, name: string, price: float64, weight: float64}
event_time: at
stream: {topic: items, format: json}
---
"""

OF = gx.expectations
EXPECTATIONS = [
    OF.ExpectColumnValuesToNotBeNull(column="price"),
    OF.ExpectColumnValuesToBeBetween(column="price", min_value=0, max_value=100),
    OF.ExpectColumnValuesToBeBetween(column="price", min_value=0, strict_min=True),
    OF.ExpectColumnValuesToBeBetween(column="weight", max_value=50, strict_max=True),
    OF.ExpectColumnValuesToBeInSet(column="name", value_set=["ample", "it's", "ace"]),
    OF.ExpectColumnValuesToNotBeInSet(column="name", value_set=["it's", "a"]),
    OF.ExpectColumnValuesToMatchRegex(column="name", regex="^a[a-z]*$"),
    OF.ExpectColumnValuesToNotMatchRegex(column="name", regex="p{2}"),
    OF.ExpectColumnValueLengthsToBeBetween(column="name", min_value=2, max_value=4),
    OF.ExpectColumnValueLengthsToEqual(column="name", value=4),
    OF.ExpectColumnPairValuesAToBeGreaterThanB(column_A="price", column_B="weight", or_equal=True, ignore_row_if="either_value_is_missing"),
]


@pytest.fixture(scope="module")
def frame():
    drawn = np.random.default_rng(5)
    rows = 300
    names = np.array(["ample", "apple", "ace", "able", "Able", "a", "it's", None], dtype=object)
    frame = pd.DataFrame(
        {
            "item": np.arange(rows),
            "at": pd.Timestamp("2026-01-01T00:00:00Z") + pd.to_timedelta(np.arange(rows), unit="s"),
            "name": drawn.choice(names, rows),
            "price": drawn.integers(-3, 110, rows).astype(float),
            "weight": drawn.integers(-1, 53, rows).astype(float),
        }
    )
    frame.loc[drawn.random(rows) < 0.1, "price"] = np.nan
    frame.loc[drawn.random(rows) < 0.1, "weight"] = np.nan
    return frame


@pytest.fixture(scope="module")
def context():
    return gx.get_context(mode="ephemeral")


@pytest.mark.parametrize("number", range(len(EXPECTATIONS)), ids=[type(one).__name__ for one in EXPECTATIONS])
def test_a_view_refuses_the_rows_that_great_expectations_finds(tmp_path, context, frame, number):
    suite = context.suites.add(gx.ExpectationSuite(name=f"items {number}", expectations=[EXPECTATIONS[number]]))
    carried = from_great_expectations(suite)
    assert carried.left_out == []

    batch = context.data_sources.add_pandas(f"frame {number}").add_dataframe_asset("items").add_batch_definition_whole_dataframe("all")
    found = batch.get_batch({"dataframe": frame}).validate(suite, result_format={"result_format": "COMPLETE"})
    unexpected = set(found.results[0].result["unexpected_index_list"])
    assert 0 < len(unexpected) < len(frame)

    view = ts.FeatureView("items", 1, entity="item", source="items", features={"last": ts.Latest("price")}, expect=carried.expect)
    features = pathlib.Path(tmp_path, "features")
    features.mkdir()
    (features / "items.yaml").write_text(DEFINITIONS + view.to_yaml())
    with ts.Store(tmp_path) as store:
        store.apply()
        rows = json.loads(frame.to_json(orient="records", date_format="iso", date_unit="us"))
        assert {row - 1 for row in store.push("items", rows).refused} == unexpected
