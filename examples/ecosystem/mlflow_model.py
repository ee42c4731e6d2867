"""A model in MLflow that knows its features: it reads them itself, and refuses a service that computes others.

    python mlflow_model.py FOLDER     a project as `twinstore init` writes it; MLflow's files go into it, too

It needs pandas, pyarrow, scikit-learn and mlflow.
"""

import pathlib
import sys

import mlflow
import mlflow.sklearn
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

import twinstore as ts
import twinstore.mlflow

FEATURES = ["dest_last_delay", "dest_arrivals_1d", "dest_mean_delay_1d", "aircraft_last_delay"]

VERSION_2 = """
kind: feature_view
name: airport_arrivals
version: 2
entity: airport
source: landings
keys: {airport: dest}
ttl: 2d
features:
  last_delay:    {latest: arr_delay, unit: minutes}
  arrivals_1d:   {aggregate: count, window: 2d}
  mean_delay_1d: {aggregate: mean(arr_delay), window: 2d, unit: minutes}
---
kind: feature_service
name: late_arrival
version: 2
features:
  - {from: airport_arrivals@2, on: {airport: dest}, prefix: dest_}
  - {from: aircraft_last_flight@1, prefix: aircraft_}
  - {from: route@1}
"""


def main(folder: str) -> None:
    store = ts.Store(folder)
    store.apply()
    store.backfill()
    store.training_set(
        "late_arrival", "data/departures.parquet", time="scheduled_departure", out="training.parquet", progress=False
    )
    rows = pd.read_parquet(pathlib.Path(folder, "training.parquet"))
    numbers = rows[FEATURES].astype("float64")
    model = HistGradientBoostingClassifier(random_state=7, max_iter=40).fit(numbers, rows["arrived_late"])

    mlflow.set_tracking_uri(f"sqlite:///{pathlib.Path(folder).absolute()}/mlflow.db")
    mlflow.set_experiment("late arrival")
    with mlflow.start_run() as run:
        made = twinstore.mlflow.log_training_set("training.parquet", store)
        signature = mlflow.models.infer_signature(numbers, model.predict(numbers))
        logged = twinstore.mlflow.log_model(
            mlflow.sklearn, model, "training.parquet", store, name="model", signature=signature, serialization_format="cloudpickle"
        )
    print(f"run {mlflow.get_run(run.info.run_id).data.params['twinstore.service']}, hash {made.service_hash[:12]}…")

    checked = twinstore.mlflow.load_checked(logged.model_uri, store)
    entities = {"dest": ["LAX", "BOS"], "tailnum": ["N328AA", "N338AA"], "distance": [2475, 187]}
    print(checked, checked.predict(entities))

    # The name alone follows a cutover. Once it means another version, the model refuses it.
    follows = twinstore.mlflow.load_checked(logged.model_uri, store, service="late_arrival")
    follows.predict(entities)
    pathlib.Path(folder, "features", "version_2.yaml").write_text(VERSION_2)
    store.apply()
    store.backfill()
    store.cutover("late_arrival@2", override="to see that the model refuses it")
    for read in [lambda: follows.predict(entities), lambda: twinstore.mlflow.load_checked(logged.model_uri, store, service="late_arrival")]:
        try:
            read()
        except ts.InputError as error:
            print(f"refused: {error}")
        else:
            raise AssertionError("features of another version were read")
    # The version that it was trained on is still there.
    print(checked.predict(entities))


if __name__ == "__main__":
    main(*sys.argv[1:])
