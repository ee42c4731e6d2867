"""Feast beside the package: `feast_peer.py FOLDER DATA REDIS_PORT`, in Feast's own environment. It applies the views of the
flights, materializes them into SQLite and into Redis, and then answers requests, a line of JSON each.

Training sets come from its DuckDB store and have the ttl of each view; online rows have none, as the flights are of 2013.
"""

import json
import statistics
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
from feast import FeatureStore, FeatureView, RepoConfig

sys.path.append(str(Path(__file__).resolve().parents[1] / "join" / "peers"))

from feast_flights import LANDED, WEATHER, views  # noqa: E402

FEATURES = [f"{view}:{column}" for view in ("there", "aircraft") for column in LANDED]
FEATURES += [f"weather:{column}" for column in WEATHER]
BEFORE, AFTER = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2012, 2015))


def answer(**said):
    print(f"answer: {json.dumps(said)}", flush=True)


def store_of(folder, data, name, online, with_ttl):
    """A Feast store of these flights with this online store."""
    config = RepoConfig(
        project=name,
        provider="local",
        registry={"path": f"{folder}/{name}.db", "cache_ttl_seconds": 3600},
        offline_store={"type": "duckdb"},
        online_store=online,
        entity_key_serialization_version=3,
    )
    store = FeatureStore(config=config)
    objects = views(data)
    for view in objects:
        if isinstance(view, FeatureView):
            view.online = True
            view.ttl = view.ttl if with_ttl else timedelta(0)
    store.apply(objects)
    return store


def main():
    folder, data, port = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    folder.mkdir(parents=True)
    sqlite = {"type": "sqlite", "path": f"{folder}/online.db"}
    training = store_of(folder, data, "training", {"type": "sqlite", "path": f"{folder}/unused.db"}, with_ttl=True)
    online = {
        "sqlite": store_of(folder, data, "flat", sqlite, with_ttl=False),
        "redis": store_of(folder, data, "fast", {"type": "redis", "connection_string": f"127.0.0.1:{port}"}, with_ttl=False),
    }
    for store in online.values():
        store.materialize(BEFORE, AFTER)
    frame = None
    answer(ready=True)
    for line in sys.stdin:
        request = json.loads(line)
        if request["what"] == "training":
            departures = pd.read_parquet(request["departures"])
            departures = departures.rename(columns={"scheduled_departure": "event_timestamp"})
            began = time.perf_counter()
            frame = training.get_historical_features(departures, FEATURES, full_feature_names=True).to_df()
            answer(seconds=time.perf_counter() - began)
        elif request["what"] == "keep":
            frame.to_parquet(request["out"])
            answer(rows=len(frame))
        else:
            answer(**reads(online[request["store"]], json.loads(Path(request["requests"]).read_text())))


def reads(store, requests):
    """The times of reads of one entity each, and what they gave."""
    def read(request):
        return store.get_online_features(FEATURES, [request], full_feature_names=True).to_dict()

    for request in requests[:20]:
        read(request)
    took, values = [], []
    for request in requests:
        began = time.perf_counter()
        given = read(request)
        took.append(time.perf_counter() - began)
        values.append({name: column[0] for name, column in given.items()})
    return {"p50": statistics.median(took), "p99": statistics.quantiles(took, n=100)[98], "values": values}


if __name__ == "__main__":
    main()
