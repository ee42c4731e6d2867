"""The Feast side, with its Redis online store: `feast_peer.py FOLDER DATA REDIS_PORT ten|flat`,
in Feast's own environment. Makes the project and materializes the view of ten features, or all others;
the seconds of each are the last line of stdout.

Views and services have the names of twinstore's, and the same rows from the same files. Windows and
on-demand views are left out: Feast has no windows to serve, and runs on-demand views in pandas.
"""

import json
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource
from feast.types import Float64
from feast.value_type import ValueType

FLAT_VIEWS = 20
MOMENT = datetime(2026, 1, 1, tzinfo=timezone.utc)

CONFIG = """\
project: online
provider: local
registry: {{path: {folder}/registry.db, cache_ttl_seconds: 3600}}
offline_store: {{type: file}}
online_store: {{type: redis, connection_string: "127.0.0.1:{port}"}}
entity_key_serialization_version: 3
"""


def main():
    folder, data, port, wanted = Path(sys.argv[1]).resolve(), json.loads(sys.argv[2]), *sys.argv[3:5]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "feature_store.yaml").write_text(CONFIG.format(folder=folder, port=port))
    store = FeatureStore(repo_path=str(folder))
    thing = Entity(name="thing", join_keys=["entity_id"], value_type=ValueType.INT64)
    tens = FileSource(path=data["ten"], timestamp_field="event_time", name="tens")
    flats = FileSource(path=data["flat"], timestamp_field="event_time", name="flats")
    ten = view("ten", thing, tens, range(10))
    wide = view("wide", thing, flats, range(FLAT_VIEWS))
    narrow = [view(f"v{n}", thing, flats, [n]) for n in range(FLAT_VIEWS)]
    services = {"ten_features": [ten], "one_view": [wide], "twenty_views": narrow}
    services = [FeatureService(name=name, features=views) for name, views in services.items()]
    store.apply([thing, ten, wide, *narrow, *services])
    seconds = {}
    for found in [ten] if wanted == "ten" else [wide, *narrow]:
        began = time.perf_counter()
        store.materialize(MOMENT - timedelta(days=7), MOMENT, feature_views=[found.name])
        seconds[found.name] = time.perf_counter() - began
    print()
    print(json.dumps(seconds))


def view(name, entity, source, numbers):
    schema = [Field(name=f"f{n}", dtype=Float64) for n in numbers]
    return FeatureView(name=name, entities=[entity], ttl=timedelta(0), schema=schema, source=source, online=True)


if __name__ == "__main__":
    main()
