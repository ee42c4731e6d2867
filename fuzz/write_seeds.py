"""Writes the seeds of the fuzzing programs into `seeds/`: small samples of everything that is read.

    python fuzz/write_seeds.py

It needs pyarrow. The seeds are in the repository, and are written again only where a target reads something new. Those of
packed rows are written by the code that packs them (tests/src/fuzzing.rs).
"""

import gzip
import io
import json
import struct
import subprocess
import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

HERE = Path(__file__).parent
ROOT = HERE.parent


def seed(target, name, data):
    folder = HERE / "seeds" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)


# Keys, values and texts.

def sized(data):
    return struct.pack("<I", len(data)) + data


seed("entity_key", "string", sized(b"LAX"))
seed("entity_key", "string_and_bytes", sized("é|".encode()) + sized(b"\x00\xff"))
seed("entity_key", "three", struct.pack("<q", -7) + sized(b"N123") + struct.pack("<q", 1_370_088_000_000_000))
seed("entity_key", "bool_and_int32", b"\x01" + struct.pack("<i", 7))
seed("stored_value", "floats", struct.pack("<I", 3) + b"\x01" + struct.pack("<f", 1.5) + b"\x00\x01" + struct.pack("<f", 2))
seed("stored_value", "texts", struct.pack("<I", 3) + b"\x01" + sized(b"a") + b"\x00\x01" + sized("é".encode()))
seed("stored_value", "moments", struct.pack("<I", 1) + b"\x01" + struct.pack("<q", 0))
for index, text in enumerate([
    "2013-06-01T12:00:00.25Z", "2013-06-01 12:00:00+02:00", "2013-06-01", "0001-01-01T00:00:00Z", "-9223372036854775808",
    "9007199254740993.0", "1.7976931348623157e308", "NaN", "AQI=", "[1, null, 3.5]", "[\"a\", null]", "list<float32>[64]",
    "90s", "15m", "7d", "airport_arrivals@1", "late_arrival", "true",
    "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "redis://user:secret@h:1/0?password=x", "a;b;c\n1;2;3\n",
]):
    seed("texts", f"{index:02}", text)

# Definitions, policies and what Feast describes.

cases = ROOT / "registry" / "cases"
for case in ["base", "defaults", "derived", "expectations", "expressions", "services", "sound", "windows"]:
    seed("definitions", f"{case}.yaml", (cases / f"{case}.yaml").read_bytes())
flights = ROOT / "examples" / "flights" / "features"
seed("definitions", "flights.yaml", "---\n".join(path.read_text() for path in sorted(flights.glob("*.yaml"))))
seed("policy", "whole.yaml", """protected_tags: [pii, class=secret]
roles:
  reader:
    - {actions: [read_online], services: ['late_*'], views: [airport_arrivals@1]}
  pii_reader:
    - actions: [read_online, read_offline]
      services: ['*']
      tags: [pii]
  operator:
    - {actions: [describe, administer]}
members:
  - {token: scoring, roles: [reader], consumer: models}
  - {user: ann, roles: [operator, pii_reader]}
consumers:
  models: {priority: high, requests: {per_second: 100, burst: 20}, keys: {per_second: 5000}}
""")
seed("policy", "small.yaml", "roles:\n  reader:\n    - {actions: [read_online], services: ['*']}\n")
seed("feast_repository", "format_1.json", (ROOT / "registry/src/feast/format_1.json").read_bytes())
seed("openslo", "two.yaml", """apiVersion: openslo/v1
kind: SLO
metadata: {name: a, annotations: {twinstore/view: airport_arrivals@1, twinstore/within: 1m}}
spec:
  objectives: [{displayName: within 1m, target: 0.999}]
---
# a comment
---
apiVersion: openslo/v1
kind: SLO
metadata: {name: b, annotations: {twinstore/service: late_arrival@3}}
spec: {objectives: [{targetPercent: 99.5}]}
""")
read = {
    "at": "2026-01-01T00:00:00Z", "service": "s@1", "view": "generated@1", "hash": "abc",
    "entity": {"k": "e0", "n": -1}, "positions": {"history": 4, "partitions": [[3, 9], [7, 18446744073709551615]]},
    "event_time": "2025-12-31T23:00:00Z",
    "features": {
        "latest_x": {"value": 1.5, "status": "PRESENT"}, "latest_s": {"value": "é", "status": "PRESENT"},
        "latest_y": {"value": "AQI=", "status": "PRESENT"}, "latest_l": {"value": [1.5, None], "status": "PRESENT"},
        "latest_t": {"value": None, "status": "NULL_VALUE"}, "rows_0": {"value": 4, "status": "PRESENT"},
    },
    "outcome": "same",
}
seed("served_reads", "two.jsonl", f"{json.dumps(read)}\n{json.dumps({**read, 'positions': None, 'event_time': None})}\n")

# Files of sources and spines.

columns = {
    "flag": pa.array([True, None, False, True]),
    "small": pa.array([1, -2, 2147483647, None], pa.int32()),
    "large": pa.array([1, None, 9007199254740993, -1], pa.int64()),
    "single": pa.array([1.5, float("nan"), None, -0.0], pa.float32()),
    "amount": pa.array([1e300, None, float("inf"), 0.1], pa.float64()),
    "text": pa.array(["a", "é", None, "c, \"d\"\ne"]),
    "raw": pa.array([b"\x00\xff", None, b"", b"x"], pa.binary()),
    "at": pa.array([0, 1_370_088_000_000_000, 1_370_088_000_000_001, -1], pa.timestamp("us", "UTC")),
    "sizes": pa.array([[1.5, None], [], [2.0], [0.5]], pa.list_(pa.float32())),
}
table = pa.table(columns)


def parquet(rows, **options):
    out = io.BytesIO()
    pq.write_table(rows, out, **options)
    return out.getvalue()


def arrow(rows, **options):
    out = io.BytesIO()
    with pa.ipc.new_file(out, rows.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(rows)
    return out.getvalue()


coded = table.set_column(5, "text", table["text"].dictionary_encode())
wide = pa.table({**columns, "small": pa.array([1, 2, 3, 4], pa.int64()), "text": pa.array(["a", "b", "c", "d"])})
files = {
    "plain.parquet": parquet(table, compression="none", use_dictionary=False, store_schema=False),
    "snappy.parquet": parquet(table, compression="snappy", data_page_version="2.0", row_group_size=2),
    "zstd.parquet": parquet(coded, compression="zstd", use_byte_stream_split=["amount"], use_dictionary=["text"]),
    "delta.parquet": parquet(table, use_dictionary=False, compression="none", column_encoding={
        "small": "DELTA_BINARY_PACKED", "large": "DELTA_BINARY_PACKED", "text": "DELTA_BYTE_ARRAY",
        "raw": "DELTA_LENGTH_BYTE_ARRAY"}),
    "int96.parquet": parquet(table, use_deprecated_int96_timestamps=True),
}
for name, data in files.items():
    seed("source_parquet", name, data)
    seed("spine_parquet", name, data)
seed("spine_parquet", "wide.parquet", parquet(wide, compression="snappy"))
seed("spine_arrow", "plain.arrow", arrow(table))
seed("spine_arrow", "coded.arrow", arrow(coded))
seed("spine_arrow", "wide.arrow", arrow(wide))
csv = """flag,small,large,single,amount,text,raw,at,sizes
true,1,9007199254740993,1.5,1e300,a,AQI=,2013-06-01T12:00:00Z,"[1.5, null]"
,-2,,NaN,,"é, ""x""\ny",,2013-06-01 12:00:00+02:00,[]
false,2147483647,1,-Infinity,0.1,"",/wA=,1969-12-31,
"""
seed("source_csv", "commas.csv", csv)
seed("source_csv", "semicolons.csv", "\ufeffsmall;text;at\r\n1;\"a;b\";2013-06-01\r\n\r\n")
rows = "".join(json.dumps(row) + "\n" for row in [
    {"flag": True, "small": 1, "large": 9007199254740993, "single": 1.5, "amount": "NaN", "text": "a\u0000é",
     "raw": "AQI=", "at": "2013-06-01T12:00:00Z", "sizes": [1.5, None]},
    {"small": None, "other": {"a": [1, {"b": []}]}, "text": ""},
])
seed("source_json", "rows.jsonl", rows)
seed("source_csv_gz", "rows.csv.gz", gzip.compress(csv.encode(), mtime=0))
seed("source_csv_gz", "two.csv.gz", gzip.compress(csv.encode(), mtime=0) + gzip.compress(b"x", mtime=0))
seed("source_json_gz", "rows.jsonl.gz", gzip.compress(rows.encode(), mtime=0))
zstd = subprocess.run(["zstd", "-c"], input=rows.encode(), capture_output=True, check=True).stdout
seed("source_json_zst", "rows.jsonl.zst", zstd)
spine = "text,small,flag,amount,sizes,at\na,1,true,0.5,[1.5],2013-06-01T12:00:00Z\n\"b\",2,false,,,2013-06-01\n"
seed("spine_csv", "small.csv", spine)
seed("spine_csv", "zoned.csv", spine.replace(",", ";").replace("2013-06-01\n", "2013-06-01T00:00:00+02:00\n"))

# The first commit of a Delta table.

types = {"flag": "boolean", "small": "integer", "large": "long", "single": "float", "amount": "double", "text": "string",
         "raw": "binary", "at": "timestamp"}
fields = [{"name": name, "type": of, "nullable": True, "metadata": {}} for name, of in types.items()]
fields.append({"name": "sizes", "type": {"type": "array", "elementType": "float", "containsNull": True},
               "nullable": True, "metadata": {}})
actions = [
    {"commitInfo": {"timestamp": 1_700_000_000_000, "operation": "WRITE"}},
    {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
    {"metaData": {"id": "2d6c6e04-6a27-4a4c-b64f-3b8a5a3e8f51", "format": {"provider": "parquet", "options": {}},
                  "schemaString": json.dumps({"type": "struct", "fields": fields}), "partitionColumns": [],
                  "configuration": {}, "createdTime": 1_700_000_000_000}},
]
add = {"add": {"path": "part-0.parquet", "partitionValues": {}, "size": 100, "modificationTime": 1_700_000_000_000,
               "dataChange": True, "stats": "{\"numRecords\":4}"}}
commit = "".join(json.dumps(action) + "\n" for action in actions)
seed("source_delta", "empty.json", commit)
seed("source_delta", "one.json", commit + json.dumps(add) + "\n")

# Records.

seed("json_record", "whole.json", rows.splitlines()[0])
seed("json_record", "framed", b"\x00\x00\x00\x00\x07" + rows.splitlines()[1].encode())


def zigzag(number):
    return varint((number << 1) ^ (number >> 63))


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def avro_sized(data):
    return zigzag(len(data)) + data


tree = zigzag(15_000) + zigzag(10**18)
avro = (
    b"\x01" + zigzag(-7) + zigzag(1) + zigzag(9007199254740993) + struct.pack("<f", 1.5) + struct.pack("<d", 0.1)
    + zigzag(1) + avro_sized("é".encode()) + avro_sized(b"\x00\xff") + zigzag(1_370_088_000_000)
    + zigzag(2) + struct.pack("<ff", 1.5, 2) + zigzag(0) + zigzag(2) + zigzag(1) + zigzag(7) + zigzag(1) + zigzag(8)
    + zigzag(0) + zigzag(1) + avro_sized(b"\x01\x02") + b"abcd" + zigzag(1) + avro_sized(b"k") + avro_sized(b"v")
    + zigzag(0) + zigzag(3) + zigzag(0) + zigzag(1) + tree + zigzag(1) + tree + zigzag(0) + zigzag(0)
)
seed("avro_record", "whole", avro)
seed("avro_framed", "whole", b"\x00\x00\x00\x00\x07" + avro)
decode = ROOT / "materializer/src/stream/decode"
seed("avro_schema", "whole", (decode / "fuzzed.avsc").read_bytes() + b"\n====\n" + avro)
seed("avro_schema", "small", b'{"type":"record","name":"R","fields":[{"name":"small","type":["null","int"]}]}\n====\n\x02\x0e')


def field(number, kind, data):
    return varint(number << 3 | kind) + data


def message(number, data):
    return field(number, 2, varint(len(data)) + data)


proto = (
    field(1, 0, b"\x01") + field(2, 0, varint(-7)) + field(3, 0, varint(9007199254740993))
    + field(4, 5, struct.pack("<f", 1.5)) + field(5, 1, struct.pack("<d", 0.1)) + message(6, "é".encode())
    + message(7, b"\x00\xff") + message(8, field(1, 0, varint(1_370_088_000)) + field(2, 0, varint(1_999)))
    + message(9, struct.pack("<ff", 1.5, 2)) + message(10, varint(7) + varint(8)) + field(11, 0, b"\x01")
    + field(12, 0, varint(99)) + message(13, message(1, b"k") + field(2, 0, b"\x05"))
    + message(14, field(2, 0, b"\x03") + message(14, field(2, 0, b"\x04"))) + message(15, field(1, 0, b"\x01"))
    + field(16, 0, b"\x05")
)
seed("protobuf_record", "whole", proto)
seed("protobuf_framed", "first", b"\x00\x00\x00\x00\x07\x00" + proto)
seed("protobuf_framed", "path", b"\x00\x00\x00\x00\x07\x02\x00" + proto)
seed("protobuf_schema", "whole", (decode / "fuzzed.proto").read_bytes() + b"\n====\n" + proto)


def frame(offset, flags, key, value):
    covered = struct.pack("<QqBI", offset, 1_370_088_000_000_000, flags, len(key)) + key + value
    return struct.pack("<II", len(covered), zlib.crc32(covered)) + covered


header = b"twpush\x00\x02"
frames = frame(0, 7, b"LAX", b'{"x": 1}') + frame(1, 2, b"", b'{"x": 2}') + frame(2, 13, b"\0\0", b"")
seed("push_segment", "three", header + frames)
seed("push_segment", "first_version", b"twpush\x00\x01" + frame(0, 3, b"LAX", b"{}"))
seed("push_segment", "torn", header + frames[:-5])

# Requests.

entities = {"c0": [True], "c1": [-7], "c2": [9007199254740993], "c5": ["LAX"], "c6": ["AQI="],
            "c7": ["2013-06-01T12:00:00Z"]}
request = {"service": "all", "entities": entities}
seed("http_features", "all.json", json.dumps(request))
seed("http_features", "some.json", json.dumps({
    **request, "service": "all@1", "features": ["latest_x", "rows_1"], "request": {}, "at": "2014-06-01T00:00:00Z",
    "trained_on": "ab" * 32}))
row = {"c0": True, "c1": -7, "c2": 9007199254740993, "c3": 1.5, "c4": "NaN", "c5": "LAX", "c6": "AQI=",
       "c7": "2013-06-01T12:00:00Z", "c8": [1.5, None], "c9": ["a"]}
seed("http_push", "rows.json", json.dumps({"source": "things", "rows": [row, {"c7": "2013-06-01"}, {"c1": "x"}]}))
feast_entities = {**entities, "c7": [1_370_088_000]}
features = ["things:latest_x", "things@1:rows_1"]
seed("feast_http", "read.json", json.dumps({"features": features, "entities": feast_entities}))
seed("feast_http", "service.json", json.dumps({
    "feature_service": "all", "entities": feast_entities, "full_feature_names": True,
    "include_feature_view_version_metadata": True}))
seed("feast_http", "push.json", json.dumps({
    "push_source_name": "things", "feature_view_name": "things", "df": {name: [value] for name, value in row.items()},
    "to": "online"}))


def entry(name, values):
    return message(1, name.encode()) + message(2, values)


def packed(kind, data):
    return message(kind, message(1, data))


moment = struct.pack("<q", 1_370_088_000_000_000)
values = {
    "c0": packed(2, b"\x01"), "c1": packed(3, zigzag(-7)), "c2": packed(4, zigzag(9007199254740993)),
    "c3": packed(5, struct.pack("<f", 1.5)), "c4": packed(6, struct.pack("<d", 0.1)), "c5": packed(7, b"LAX"),
    "c6": packed(8, b"\x01\x02"), "c7": packed(9, moment),
    "c8": message(10, message(1, varint(2)) + message(2, packed(5, struct.pack("<ff", 1.5, 2)))),
    "c9": message(10, message(1, varint(1)) + message(2, packed(7, b"a"))),
}
keys = b"".join(message(3, entry(name, values[name])) for name in entities)
seed("grpc_features", "all", message(1, b"all") + keys)
seed("grpc_features", "some", message(1, b"all@1") + message(2, b"latest_x") + message(2, b"rows_1") + keys
     + field(5, 0, varint(1_400_000_000_000_000)) + message(6, b"ab" * 32))
seed("grpc_push", "one", message(1, b"things") + b"".join(message(2, entry(name, of)) for name, of in values.items()))
seed("grpc_push", "nulls", message(1, b"things") + message(2, entry("c7", packed(9, moment)))
     + message(2, entry("c1", message(1, varint(0)) + packed(4, zigzag(1)))))


def feast_value(kind, data, wire=0):
    return message(1, field(kind, wire, data))


feast = {
    "c0": feast_value(7, b"\x01"), "c1": feast_value(3, varint(-7)), "c2": feast_value(4, varint(9007199254740993)),
    "c5": feast_value(2, varint(3) + b"LAX", 2), "c6": feast_value(1, varint(2) + b"\x01\x02", 2),
    "c7": feast_value(8, varint(1_370_088_000)),
}
feast_keys = b"".join(message(3, entry(name, of)) for name, of in feast.items())
seed("feast_grpc", "service", message(1, b"all") + feast_keys)
seed("feast_grpc", "features", message(2, message(1, b"things:latest_x") + message(1, b"things@1:rows_1")) + feast_keys
     + field(4, 0, b"\x01") + field(6, 0, b"\x01"))
