"""What Feast needs in Redis for the same latest values: written by Feast's own Redis store, weighed by
Redis. Usage: feast_layout.py PORT"""

import sys
from datetime import datetime, timezone
from types import SimpleNamespace

import redis
from feast.infra.online_stores.redis import RedisOnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import RepoConfig

ENTITIES = 2_000


def main(port: int) -> None:
    config = RepoConfig(
        project="bench",
        provider="local",
        registry="memory://",
        online_store={"type": "redis", "connection_string": f"127.0.0.1:{port}"},
        entity_key_serialization_version=3,
    )
    store = RedisOnlineStore()
    client = redis.Redis(port=port)
    at = datetime(2024, 1, 1, tzinfo=timezone.utc)
    for views, features in [(1, 10), (1, 50), (20, 10), (60, 10)]:
        client.flushall()
        for view in range(views):
            name = f"view_{view}_false"
            rows = [
                (
                    EntityKey(join_keys=["user_id"], entity_values=[Value(int64_val=entity)]),
                    {
                        f"c{column}": Value(double_val=(entity * 31 + column * 17 + 1) / 7.0)
                        for column in range(features)
                    },
                    at,
                    None,
                )
                for entity in range(ENTITIES)
            ]
            table = SimpleNamespace(name=name, projection=SimpleNamespace(version_tag=None))
            store.online_write_batch(config, table, rows, None)
        keys = client.keys("*")
        assert len(keys) == ENTITIES, len(keys)
        memory = sum(client.memory_usage(key, samples=0) for key in keys) / ENTITIES
        encoding = client.object("encoding", keys[0]).decode()
        print(
            f"memory of Feast, {views} views x {features} float64: {memory:.0f} bytes an entity, "
            + f"{memory / (views * features):.1f} a latest value ({encoding})"
        )
    client.flushall()


main(int(sys.argv[1]))
