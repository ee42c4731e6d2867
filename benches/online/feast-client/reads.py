"""Reads a running twinstore server with Feast's own client, and compares every value with pandas.

The client is as a Feast user has it: `online_store: {type: remote, path: ...}` is all that is said
about twinstore. Feast knows nothing of the views: their names go to the server as they are.
"""

import sys

import pandas as pd
import repository
from feast import FeatureService, FeatureStore

address, landings = sys.argv[1], pd.read_parquet(sys.argv[2])

store = FeatureStore(repo_path=str(repository.of(address)))
store.apply([])


def last_by(key):
    """The latest row of each key: of two of one moment the one that stands later in the file."""
    ordered = landings[landings[key].notna()].sort_values("landed_at", kind="stable")
    return ordered.groupby(key).tail(1).set_index(key)


def same(given, expected, what):
    """Every value of a column, with a null for a null."""
    assert len(given) == len(expected) > 0, what
    for index, (one, other) in enumerate(zip(given, expected)):
        both_null = pd.isna(one) and pd.isna(other)
        assert both_null or one == other, f"{what}, row {index}: {one!r} is not {other!r}"


def read(features, rows, **options):
    return store.get_online_features(features=features, entity_rows=rows, **options)


airports = [*sorted(landings["dest"].unique()), "NONE"]
last = last_by("dest").reindex(airports)
groups = landings.groupby("dest")
arrivals = groups.size().reindex(airports)
miles = groups["distance"].sum().reindex(airports)

names = ["flight_id", "arr_delay", "tailnum", "arrivals", "miles"]
answer = read([f"airport_last:{name}" for name in names], [{"airport": airport} for airport in airports])
frame = answer.to_df()
assert list(frame.columns) == ["airport", *names], list(frame.columns)
same(frame["airport"], airports, "airport")
for name in ["flight_id", "arr_delay", "tailnum"]:
    same(frame[name], last[name], name)
same(frame["arrivals"], arrivals, "arrivals")
same(frame["miles"], miles, "miles")

tails = [*sorted(landings["tailnum"].dropna().unique()), "NONE"]
last_of_tail = last_by("tailnum").reindex(tails)
frame = read(["aircraft_last:arr_delay", "aircraft_last:distance"], [{"tailnum": tail} for tail in tails]).to_df()
same(frame["arr_delay"], last_of_tail["arr_delay"], "arr_delay of aircraft")
same(frame["distance"], last_of_tail["distance"], "distance of aircraft")

pairs = [{"dest": airport, "tailnum": tail} for airport, tail in zip(airports, tails)]
both = read(
    ["airport_last@2:arr_delay", "aircraft_last:arr_delay"],
    [{"airport": pair["dest"], "tailnum": pair["tailnum"]} for pair in pairs],
    full_feature_names=True,
).to_df()
same(both["airport_last@2__arr_delay"], last["arr_delay"], "full name of the airport's")
same(both["aircraft_last__arr_delay"], last_of_tail["arr_delay"][: len(pairs)], "full name of the aircraft's")

service = read(FeatureService(name="landing", features=[]), pairs).to_df()
same(service["dest_arr_delay"], last["arr_delay"], "dest_arr_delay of the service")
same(service["dest_arrivals"], arrivals, "dest_arrivals of the service")
same(service["aircraft_distance"], last_of_tail["distance"][: len(pairs)], "aircraft_distance of the service")

first = read(["airport_last@v1:flight_id"], [{"airport": airports[0]}]).to_dict()
assert first == {"airport": [airports[0]], "flight_id": [last["flight_id"].iloc[0]]}, first

for wrong, said in [
    (["airport_lst:flight_id"], "FeatureViewNotFoundException"),
    (["airport_last@9:flight_id"], "FeatureViewVersionNotFound"),
    (["airport_last:flight"], "FeastObjectNotFoundException"),
]:
    try:
        read(wrong, [{"airport": "LAX"}])
    except Exception as error:  # Which class it is depends on Feast's release; what it says does not.
        assert said in f"{type(error).__name__} {error}", f"{type(error).__name__}: {error}"
    else:
        raise AssertionError(f"{wrong} was answered")

print(f"Feast's client read {len(airports)} airports and {len(tails)} aircraft: every value is that of pandas")
