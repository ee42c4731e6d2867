"""Latest values by DuckDB's ASOF join."""

import duckdb
from timed import run


def join(log, spine, out, threads):
    database = duckdb.connect(config={"threads": threads, "preserve_insertion_order": False})
    database.execute("SET TimeZone = 'UTC'")
    database.execute(f"""
        COPY (
            SELECT s.entity_id, s.label_time, l.f1, l.f2, l.f3, l.f4
            FROM '{spine}' s
            ASOF LEFT JOIN '{log}/*.parquet' l
                ON s.entity_id = l.entity_id AND s.label_time >= l.available_at
        ) TO '{out}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)
    """)


run(join)
