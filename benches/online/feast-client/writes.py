"""Writes to a running twinstore server with Feast's own client, and reads back what pandas says it holds.

`write_to_online_store` and `push` are called as a Feast user calls them. Feast wants to know a view that
it writes, so it is reported one: the names of its join key and features are those of the view in twinstore.
"""

import sys
from datetime import timedelta

import numpy as np
import pandas as pd
import repository
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource, ValueType
from feast.data_source import PushMode
from feast.types import Array, Bool, Float64, Int64, String

address = sys.argv[1]
FEATURES = ["delay", "gates", "remark", "is_open", "queues"]
AIRPORTS = [f"A{number:02}" for number in range(40)]

folder = repository.of(address)
random = np.random.default_rng(7)


def reports(count, first):
    """Reports of some airports, in the order in which they happened, with nulls among them."""
    return pd.DataFrame(
        {
            "airport": random.choice(AIRPORTS, count),
            "event_timestamp": [pd.Timestamp(first) + timedelta(seconds=int(n)) for n in range(count)],
            "delay": np.where(random.random(count) < 0.1, np.nan, random.normal(size=count)),
            "gates": random.integers(0, 2**53, count),
            "remark": [None if n % 7 == 0 else f'report {n} "é"' for n in range(count)],
            "is_open": random.random(count) < 0.5,
            "queues": [[int(n), int(n) + 1] for n in range(count)],
        }
    )


file = folder / "reports.parquet"
reports(1, "2026-01-01").to_parquet(file)
airport = Entity(name="airport", join_keys=["airport"], value_type=ValueType.STRING)
history = FileSource(path=str(file), timestamp_field="event_timestamp")
source = PushSource(name="reports", batch_source=history)
view = FeatureView(
    name="airport_report",
    entities=[airport],
    schema=[
        Field(name="airport", dtype=String),
        Field(name="delay", dtype=Float64),
        Field(name="gates", dtype=Int64),
        Field(name="remark", dtype=String),
        Field(name="is_open", dtype=Bool),
        Field(name="queues", dtype=Array(Int64)),
    ],
    source=source,
)
store = FeatureStore(repo_path=str(folder))
store.apply([airport, source, view])


def check(rows):
    """Every value that is read is that of the latest report of its airport."""
    last = rows.groupby("airport").tail(1).set_index("airport").reindex([*AIRPORTS, "NONE"])
    counts = rows.groupby("airport").size().reindex([*AIRPORTS, "NONE"])
    answer = store.get_online_features(
        features=[f"airport_report:{name}" for name in [*FEATURES, "reports"]],
        entity_rows=[{"airport": name} for name in last.index],
    ).to_dict()
    last["reports"] = counts
    for name in [*FEATURES, "reports"]:
        for row, (given, expected) in enumerate(zip(answer[name], last[name])):
            both_null = given is None and (expected is None or expected is pd.NA or expected != expected)
            assert both_null or given == expected, f"{name} of {last.index[row]}: {given!r} is not {expected!r}"


written = reports(300, "2026-01-01")
store.write_to_online_store("airport_report", df=written)
check(written)

pushed = reports(300, "2026-01-02")
store.push("reports", pushed, to=PushMode.ONLINE)
everything = pd.concat([written, pushed])
check(everything)

for number in range(10):
    one = reports(1, f"2026-01-03T00:00:{number:02}")
    store.push("reports", one)
    everything = pd.concat([everything, one])
    check(everything)

# A report that is older than what is there counts, and is not the latest.
late = reports(1, "2025-12-31")
store.push("reports", late)
everything = pd.concat([late, everything])
check(everything)

print(f"Feast's client wrote {len(everything)} reports and read each back right after: every value is that of pandas")
