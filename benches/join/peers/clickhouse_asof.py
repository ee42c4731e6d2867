"""Latest values by ClickHouse's ASOF join, in process (chdb)."""

import chdb
from timed import run


def join(log, spine, out, threads):
    chdb.query(f"""
        INSERT INTO FUNCTION file('{out}', Parquet)
        SELECT s.entity_id AS entity_id, s.label_time AS label_time, l.f1 AS f1, l.f2 AS f2, l.f3 AS f3, l.f4 AS f4
        FROM file('{spine}', Parquet) AS s
        ASOF LEFT JOIN (
            SELECT assumeNotNull(entity_id) AS entity_id, assumeNotNull(available_at) AS available_at, f1, f2, f3, f4
            FROM file('{log}/*.parquet', Parquet)
        ) AS l ON s.entity_id = l.entity_id AND s.label_time >= l.available_at
        SETTINGS max_threads = {threads}, join_use_nulls = 1, output_format_parquet_compression_method = 'zstd',
            engine_file_truncate_on_insert = 1
    """)


run(join)
