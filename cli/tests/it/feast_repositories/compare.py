"""Compares what a repository gives in Feast with what its import gives in twinstore, value by value.

`python compare.py REPOSITORY TWINSTORE PROJECT`: Feast's own store and the project, whose views are loaded, read the same
files. Training sets are compared at random times, and online reads after both have loaded everything.
"""

import json
import math
import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pandas as pd
from feast import FeatureStore
from feast.repo_operations import parse_repo

ROWS = 300
AT = "2024-03-21T00:00:00Z"
repository, twinstore, project = Path(sys.argv[1]).resolve(), *sys.argv[2:4]
rng = np.random.default_rng(7)
users = [f"u{n}" for n in range(9)]

# Of each repository the services that Feast can read from files, and their join keys and request columns.
CASES = {
    "quick_start": {
        service: {"driver_id": range(1001, 1008), "val_to_add": range(9), "val_to_add_2": range(90)}
        for service in ["driver_activity_v1", "driver_activity_v2"]
    },
    "driver_ranking": {
        "driver_ranking": {"driver_id": range(1001, 1008), "customer_id": users},
        "ride_zones": {"origin_id": range(1, 7), "target_id": range(1, 7)},
    },
    "credit_scoring": {
        "loan_features": {
            "zipcode": range(94000, 94006),
            "dob_ssn": [f"1970010{n}_111{n}" for n in range(8)],
            "loan_amnt": range(1000, 9000, 700),
        },
    },
    "fraud": {"fraud_v1": {"user_id": users[:8], "amount": [1.5, 499.0, 500.5], "merchant": ["a", "b"]}},
    "functions": {
        service: {"shop_id": range(1, 9), "wanted": range(1, 9), "offer": [0.5, 2.25, 7.75]}
        for service in ["forms", "singly"]
    },
}# Services that read one feature twice: Feast reads them only with the full names.
FULL_NAMES = {"ride_zones"}
# Services that it reads online alone: their function takes one row at a time.
ONLINE_ONLY = {"singly"}


def run(*words):
    done = subprocess.run([twinstore, "--project", project, *words], capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
    return done.stdout


def plain(value):
    """A value of either side: a missing one is None, and a time is in UTC."""
    if isinstance(value, (list, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, datetime):
        return pd.Timestamp(value).tz_localize("UTC") if value.tzinfo is None else pd.Timestamp(value)
    return value


def same(ours, theirs, what):
    ours, theirs = plain(ours), plain(theirs)
    if isinstance(theirs, pd.Timestamp) and isinstance(ours, str):
        ours = pd.Timestamp(ours)
    if not isinstance(theirs, str) and ours in ("NaN", "Infinity", "-Infinity"):
        # JSON has no such number.
        ours = plain(float(ours))
    assert ours == theirs, f"{what}: {ours!r} here and {theirs!r} in Feast"


def rows_of(columns):
    return {name: rng.choice(np.array(list(values)), ROWS) for name, values in columns.items()}


def compare_training(store, service, columns):
    spine = pd.DataFrame(rows_of(columns))
    seconds = rng.integers(0, 20 * 86400, ROWS)
    spine["event_timestamp"] = pd.Timestamp("2024-03-01", tz="UTC") + pd.to_timedelta(seconds, unit="s")
    spine["label"] = range(ROWS)
    spine.to_parquet(Path(project) / "spine.parquet", index=False)
    full = {"full_feature_names": service in FULL_NAMES}
    theirs = store.get_historical_features(spine, store.get_feature_service(service), **full).to_df()
    words = ["--service", service, "--spine", "spine.parquet", "--time", "event_timestamp"]
    out = Path(project) / f"{service}.parquet"
    run("training-set", *words, "--out", f"{service}.parquet")
    ours = pd.read_parquet(out).set_index("label")
    # Feast drops a label whose entity has rows, but none before it.
    theirs = theirs.set_index("label").sort_index()
    dropped, ours = len(ours) - len(theirs), ours.loc[theirs.index]
    # Feast leaves the inputs of functions in the frame.
    names = [name for name in ours.columns if name not in spine.columns]
    assert set(names) <= set(theirs.columns), (names, list(theirs.columns))
    compared = 0
    for name in names:
        expected = theirs[name]
        if ours[name].dtype == "float32":
            # Feast serves a Float32 so, though its training set has what the file has.
            expected = expected.astype("float32")
        for row, (one, other) in enumerate(zip(ours[name], expected)):
            same(one, other, f"{service}, {name}, row {row}")
            compared += plain(other) is not None
    print(
        f"{service}: {len(ours)} rows ({dropped} that Feast drops), {len(names)} features,"
        f" {compared} values that are not null are equal"
    )
    assert compared > ROWS


def compare_online(store, service, columns):
    entities = {name: list(values) for name, values in columns.items()}
    most = max(len(values) for values in entities.values())
    entities = {name: [values[n % len(values)] for n in range(most)] for name, values in entities.items()}
    rows = [{name: values[n] for name, values in entities.items()} for n in range(most)]
    full = {"full_feature_names": service in FULL_NAMES}
    compared = 0
    for row in rows:
        # One by one: of several rows, Feast gives a function that takes one only the first.
        try:
            theirs = store.get_online_features(store.get_feature_service(service), [row], **full).to_dict()
        except TypeError as error:
            # A column of a single row without a value is one of objects, which numpy does not compare.
            print(f"{service}: Feast cannot read {row}: {error}")
            continue
        given = [f"{name}={value}" for name, value in row.items()]
        features = json.loads(run("get", service, *given, "--at", AT, "--format", "json"))["features"]
        # Feast serves rows that are older than their ttl, and its functions run on nulls of unknown keys.
        if {feature["status"] for feature in features.values()} & {"OUTSIDE_MAX_AGE", "NOT_FOUND"}:
            continue
        for name in theirs:
            if name in features:
                same(features[name]["value"], theirs[name][0], f"{service}, {name}, {row}")
                compared += 1
    print(f"{service}: {compared} values of online reads are equal")
    assert compared > 0


def main():
    os.chdir(repository)
    sys.path.insert(0, str(repository))
    found = parse_repo(repository)
    store = FeatureStore(repo_path=str(repository))
    for service, columns in CASES[repository.name].items():
        defined = next(s for s in found.feature_services if s.name == service)
        read = {projection.name for projection in defined.feature_view_projections}
        computed = [view for view in found.on_demand_feature_views if view.name in read]
        inputs = {p.name for view in computed for p in view.source_feature_view_projections.values()}
        views = [view for view in found.feature_views if view.name in read | inputs]
        store.apply([*found.entities, *views, *computed, defined])
        store.materialize(datetime(2024, 2, 1, tzinfo=timezone.utc), datetime(2024, 4, 1, tzinfo=timezone.utc))
        if service not in ONLINE_ONLY:
            compare_training(store, service, columns)
        compare_online(store, service, columns)


main()
