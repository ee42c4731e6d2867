"""What data scientists have already: scikit-learn with joblib, DuckDB, pandera, and suites of Great Expectations."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest

import twinstore as ts
from twinstore.expectations import from_great_expectations, from_pandera

EXAMPLES = pathlib.Path(__file__).parents[3] / "examples" / "ecosystem"

ITEMS = """
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


@pytest.mark.parametrize("example", ["sklearn_pipeline", "duckdb_log", "expectations"])
def test_an_example_runs_on_a_new_project(tmp_path, command, example):
    command(tmp_path, "init", tmp_path / "flights")
    program = [sys.executable, str(EXAMPLES / f"{example}.py"), str(tmp_path / "flights")]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


SCHEMA = pa.DataFrameSchema(
    {
        "name": pa.Column(
            str,
            [
                pa.Check.str_matches(r"[a-z]{2,}\d*$"),
                pa.Check.str_contains("a"),
                pa.Check.str_length(2, 9),
                pa.Check.notin(["banned'; --"]),
                pa.Check.str_endswith("e"),
                pa.Check.str_startswith("a"),
                pa.Check.ne("apple"),
            ],
            nullable=True,
        ),
        "price": pa.Column(
            float,
            [
                pa.Check.in_range(0, 100, include_max=False),
                pa.Check.ne(13.0),
                pa.Check.isin([float(price) for price in range(200)]),
            ],
        ),
        "weight": pa.Column(float, [pa.Check.gt(0.5), pa.Check.ge(1), pa.Check.le(50), pa.Check.lt(50)], nullable=True),
    }
)


def items(seed, rows=400):
    """Rows of which some break one check or another."""
    drawn = np.random.default_rng(seed)
    names = ["ample", "apple", "ace", "aple9e", "able", "Able", "a", "grape", "abcdefghije", "ab", "banned'; --", None]
    frame = pd.DataFrame(
        {
            "item": np.arange(rows),
            "at": pd.Timestamp("2026-01-01T00:00:00Z") + pd.to_timedelta(np.arange(rows), unit="s"),
            "name": drawn.choice(np.array(names, dtype=object), rows),
            "price": drawn.integers(-3, 110, rows).astype(float),
            "weight": drawn.integers(-1, 53, rows).astype(float),
        }
    )
    frame.loc[drawn.random(rows) < 0.1, "price"] = 13.0
    frame.loc[drawn.random(rows) < 0.05, ["price", "weight"]] = np.nan
    return frame


def refused_by_view(folder, carried, frame):
    """Which rows a view with these expectations refuses."""
    view = ts.FeatureView(
        "items", 1, entity="item", source="items", features={"last": ts.Latest("price")}, expect=carried.expect
    )
    (folder / "features").mkdir(parents=True, exist_ok=True)
    (folder / "features" / "items.yaml").write_text(ITEMS + view.to_yaml())
    with ts.Store(folder) as store:
        store.apply()
        # A number that is missing is null in a row of JSON, as it is to pandera.
        rows = json.loads(frame.to_json(orient="records", date_format="iso", date_unit="us"))
        return {row - 1 for row in store.push("items", rows).refused}


CHECKS = [(name, check) for name, column in SCHEMA.columns.items() for check in column.checks]


@pytest.mark.parametrize(("column", "check"), CHECKS, ids=[f"{name}-{check.name}" for name, check in CHECKS])
def test_a_view_refuses_the_rows_that_pandera_fails(tmp_path, column, check):
    schema = pa.DataFrameSchema({column: pa.Column(SCHEMA.columns[column].dtype, check, nullable=column != "price")})
    carried = from_pandera(schema)
    assert carried.left_out == []
    frame = items(seed=CHECKS.index((column, check)))
    try:
        schema.validate(frame, lazy=True)
        failing = set()
    except pa.errors.SchemaErrors as errors:
        failing = set(errors.failure_cases["index"].dropna().astype(int))
    assert 0 < len(failing) < len(frame)
    assert refused_by_view(tmp_path, carried, frame) == failing


def test_what_pandera_checks_and_no_view_can_is_listed_with_why():
    schema = pa.DataFrameSchema(
        {
            "price": pa.Column(float, [pa.Check(lambda prices: prices > 0), pa.Check.ge(0, ignore_na=False)], nullable=True, unique=True),
            "Name": pa.Column(str, pa.Check.isin(["a"]), nullable=True),
            "text": pa.Column(str, pa.Check.str_matches(r"(?!no)"), nullable=True),
            "^x.*": pa.Column(float, regex=True),
        },
        checks=pa.Check(lambda frame: frame["price"] > 0, name="positive"),
        unique=["price", "text"],
    )
    carried = from_pandera(schema)
    assert carried.expect == [] and carried.to_yaml() == "expect: []\n"
    why = dict(carried.left_out)
    assert len(why) == 8, carried
    assert "function of Python" in why["price: <lambda>"] and "null passes" in why["price: greater_than_or_equal_to"]
    assert "no name of a column of a source" in why["Name: isin"] and "looks around" in why["text: str_matches"]
    assert "name each column" in why["^x.*"] and "function of Python" in why["positive of the frame"]
    assert "8 checks left out" in repr(carried) and "unique" in carried._repr_html_()


def test_a_check_that_only_warns_warns():
    schema = pa.DataFrameSchema({"price": pa.Column(float, pa.Check.ge(0, raise_warning=True), nullable=True)})
    assert from_pandera(schema).to_yaml() == 'expect:\n  - {"sql": "price >= 0", "on_failure": "warn"}\n'


def suite(*expectations):
    return {"name": "items", "expectations": [{"type": kind, "kwargs": kwargs} for kind, kwargs in expectations]}


def test_a_suite_of_great_expectations_is_read_from_its_json(tmp_path):
    carried = from_great_expectations(
        json.dumps(
            suite(
                ("expect_column_values_to_not_be_null", {"column": "price", "mostly": 1}),
                ("expect_column_values_to_be_between", {"column": "price", "min_value": 0, "max_value": 100, "strict_max": True}),
                ("expect_column_values_to_not_match_regex", {"column": "name", "regex": "^a$"}),
                ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "price", "column_B": "weight", "or_equal": True}),
                ("expect_column_value_lengths_to_be_between", {"column": "name", "max_value": 8}),
                ("expect_column_values_to_not_be_in_set", {"column": "name", "value_set": ["banned'; --"]}),
            )
        )
    )
    assert carried.left_out == [] and len(carried.expect) == 6
    frame = items(seed=11)
    wrong = (
        frame["price"].isna()
        | ~frame["price"].between(0, 100, inclusive="left")
        | (frame["name"] == "a")
        | (frame["price"] < frame["weight"])
        | (frame["name"].str.len() > 8).fillna(False).astype(bool)
        | (frame["name"] == "banned'; --")
    )
    assert refused_by_view(tmp_path, carried, frame) == set(frame.index[wrong])


def test_a_file_with_too_few_rows_is_quarantined_as_the_suite_says(folder):
    carried = from_great_expectations(suite(("expect_table_row_count_to_be_between", {"min_value": 4})))
    expect = "".join(f"  {line}\n" for line in carried.to_yaml().splitlines()).lstrip()
    flights = folder / "features" / "flights.yaml"
    flights.write_text(flights.read_text().replace("keys: {airport: dest}\n", f"keys: {{airport: dest}}\n{expect}", 1))
    with ts.Store(folder) as store:
        store.apply()
        store.backfill()
        assert [batch["rows"] for batch in store.quarantined().batches] == [3]


def test_what_a_suite_says_of_a_whole_table_is_listed_with_why():
    carried = from_great_expectations(
        suite(
            ("expect_column_values_to_not_be_null", {"column": "price", "mostly": 0.9}),
            ("expect_column_mean_to_be_between", {"column": "price", "min_value": 0}),
            ("expect_column_values_to_be_unique", {"column": "item"}),
            ("expect_table_row_count_to_be_between", {"max_value": 10}),
            ("expect_column_values_to_be_between", {"column": "price", "min_value": 0, "row_condition": "item > 3"}),
            ("expect_column_values_to_be_of_type", {"column": "price", "type_": "float"}),
            ("expect_something_of_a_plugin", {"column": "price"}),
        )
    )
    assert carried.expect == []
    words = ["max_bad_share", "`drift`", "unique: true", "no most rows", "some rows only", "`schema` of the source", "no expectation"]
    for (_, why), word in zip(carried.left_out, words, strict=True):
        assert word in why
    with pytest.raises(ts.InputError, match="is not a suite"):
        from_great_expectations({"name": "nothing"})
    with pytest.raises(ts.InputError, match="is not a pandera schema"):
        from_pandera({"price": float})
