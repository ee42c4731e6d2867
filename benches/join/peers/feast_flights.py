"""All departures against weather and two views of landings, by Feast with its DuckDB offline store:
`feast_flights.py DATA_FOLDER OUT`, and its time as the last line of stdout.

The definitions are applied before the clock starts. Reading the departures and writing the result
count, as they do for twinstore.
"""

import json
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Float32, Float64
from feast.value_type import ValueType

LANDED = ["dep_delay", "arr_delay", "air_time"]
WEATHER = ["temp", "humid", "wind_speed", "precip", "pressure", "visib"]


def views(data):
    landings = FileSource(path=str(data / "landings.parquet"), timestamp_field="landed_at", name="landings")
    weather = FileSource(path=str(data / "weather.parquet"), timestamp_field="observed_at", name="weather")
    dest, origin, tailnum = (
        Entity(name=key, join_keys=[key], value_type=ValueType.STRING) for key in ("dest", "origin", "tailnum")
    )
    return [
        dest,
        origin,
        tailnum,
        view("there", dest, landings, timedelta(days=2), LANDED, Float32),
        view("aircraft", tailnum, landings, timedelta(days=30), LANDED, Float32),
        view("weather", origin, weather, timedelta(hours=3), WEATHER, Float64),
    ]


def view(name, entity, source, ttl, columns, dtype):
    schema = [Field(name=column, dtype=dtype) for column in columns]
    return FeatureView(name=name, entities=[entity], ttl=ttl, schema=schema, source=source, online=False)


def main():
    data, out = Path(sys.argv[1]).resolve(), sys.argv[2]
    with tempfile.TemporaryDirectory() as folder:
        config = RepoConfig(
            project="flights",
            provider="local",
            registry=f"{folder}/registry.db",
            offline_store={"type": "duckdb"},
            online_store={"type": "sqlite", "path": f"{folder}/online.db"},
            entity_key_serialization_version=3,
        )
        store = FeatureStore(config=config)
        store.apply(views(data))
        names = [f"{name}:{column}" for name in ("there", "aircraft") for column in LANDED]
        names += [f"weather:{column}" for column in WEATHER]

        began = time.perf_counter()
        columns = ["flight_id", "scheduled_departure", "origin", "dest", "tailnum"]
        departures = pd.read_parquet(data / "departures.parquet", columns=columns)
        departures = departures.rename(columns={"scheduled_departure": "event_timestamp"})
        job = store.get_historical_features(departures, names, full_feature_names=True)
        pq.write_table(job.to_arrow(), out, compression="zstd", compression_level=1)
        print(json.dumps({"seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
