"""A scikit-learn pipeline, kept with joblib together with what it was trained on.

    python sklearn_pipeline.py FOLDER     a project as `twinstore init` writes it

It needs pandas, pyarrow and scikit-learn.
"""

import pathlib
import sys

import joblib
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import twinstore as ts

NUMBERS = ["dest_last_delay", "dest_arrivals_1d", "dest_mean_delay_1d", "aircraft_last_delay", "delay_per_100_miles"]
TEXTS = ["aircraft_last_dest"]


def main(folder: str) -> None:
    store = ts.Store(folder)
    store.apply()
    store.backfill()
    spine = pd.read_parquet(f"{folder}/data/departures.parquet")
    training = store.training_set("late_arrival", spine, time="scheduled_departure")

    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    texts = OneHotEncoder(handle_unknown="ignore", min_frequency=20)
    pipeline = make_pipeline(
        make_column_transformer((numbers, NUMBERS), (texts, TEXTS)), LogisticRegression(max_iter=500)
    )
    pipeline.fit(plain(training), training["arrived_late"])

    # The features' hash is kept with the model: whoever loads it cannot read others by mistake.
    kept = pathlib.Path(folder, "late_arrival.joblib")
    joblib.dump({"pipeline": pipeline, "trained_on": store.trained_on(training).to_dict()}, kept)

    loaded = joblib.load(kept)
    made = ts.TrainedOn.from_dict(loaded["trained_on"])
    entities = training[["dest", "tailnum", "distance"]].tail(100)
    read = store.features(made.service, entities, trained_on=made.service_hash)
    served = loaded["pipeline"].predict_proba(plain(read.to_pandas()))[:, 1]

    now = store.training_set(made.service, entities.assign(at=pd.Timestamp(read.at)), time="at")
    offline = loaded["pipeline"].predict_proba(plain(now))[:, 1]
    assert (served == offline).all(), "a model answers online what it answers of a training set of the same moment"
    print(f"{len(served)} predictions of {made.service}, the same online and offline, to the bit")


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns of the pipeline, in types that scikit-learn takes: null is NaN."""
    return frame[NUMBERS].astype("float64").join(frame[TEXTS].astype(object).fillna("none"))


if __name__ == "__main__":
    main(*sys.argv[1:])
