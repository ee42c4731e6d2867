"""LightGBM and XGBoost, trained from Arrow data without a frame of pandas in between.

    python gradient_boosting.py FOLDER     a project as `twinstore init` writes it

It needs pyarrow, numpy, lightgbm and xgboost.
"""

import sys

import lightgbm as lgb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xgboost as xgb

import twinstore as ts


def main(folder: str) -> None:
    store = ts.Store(folder)
    store.apply()
    store.backfill()
    spine = pq.read_table(f"{folder}/data/departures.parquet")
    training = store.training_set("late_arrival", spine, time="scheduled_departure")
    features = numbers(store, training)
    # Label times in order: the last quarter is what the models are scored on.
    training = training.sort_by("scheduled_departure")
    at = training.num_rows * 3 // 4
    train, test = training.slice(0, at), training.slice(at)
    label = pc.cast(test["arrived_late"], "float32").to_numpy()

    data = lgb.Dataset(train.select(features), label=pc.cast(train["arrived_late"], "float32"))
    light = lgb.train({"objective": "binary", "num_leaves": 15, "verbosity": -1, "seed": 7, "num_threads": 2}, data, 40)
    scores = {"LightGBM": light.predict(test.select(features))}

    data = xgb.DMatrix(floats(train, features), label=pc.cast(train["arrived_late"], "float32").to_numpy())
    tree = {"objective": "binary:logistic", "max_depth": 4, "seed": 7, "nthread": 2}
    boosted = xgb.train(tree, data, num_boost_round=40)
    scores["XGBoost"] = boosted.predict(xgb.DMatrix(floats(test, features)))

    for name, predicted in scores.items():
        print(f"{name:<10}AUC {auc(label, np.asarray(predicted)):.3f} on {len(label)} later flights, {len(features)} features")

    # Online features are Arrow data, too.
    entities = training.select(["dest", "tailnum", "distance"]).slice(0, 100)
    read = store.features("late_arrival", entities, trained_on=store.trained_on(training).service_hash)
    online = light.predict(read.to_arrow().select(features))
    print(f"{len(online)} predictions of features that were read online")


def numbers(store: ts.Store, training: pa.Table) -> list[str]:
    """The features that are numbers."""
    found = store.trained_on(training).features
    return [name for name in found if not pa.types.is_string(training.schema.field(name).type)]


def floats(table: pa.Table, features: list[str]) -> pa.Table:
    """Features as floats, which hold nulls as missing values."""
    return table.select(features).cast(pa.schema([(name, pa.float32()) for name in features]))


def auc(label: np.ndarray, score: np.ndarray) -> float:
    """The chance that a late flight is ranked above another."""
    order = score.argsort()
    ranks = np.empty(len(score))
    ranks[order] = np.arange(1, len(score) + 1)
    positive = label > 0
    count = positive.sum()
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(label) - count)))


if __name__ == "__main__":
    main(*sys.argv[1:])
