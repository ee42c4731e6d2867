"""Count and sum over one day and seven by DuckDB: prefix sums, and three ASOF joins that read them at
the label and at the tails of both windows.

The tail of a window is floor(t - W, 1 h) in event time, inclusive. Rows can be read a minute after
their event, so in `available_at` the rows before the tail are those before the tail plus a minute.
"""

import duckdb
from timed import run

HOP = 3_600_000_000


def before_tail(days):
    """The last moment of `available_at` that the window of these days leaves out."""
    window = days * 24 * HOP
    return f"make_timestamptz((epoch_us(label_time) - {window}) // {HOP} * {HOP} + 60000000 - 1)"


def join(log, spine, out, threads):
    database = duckdb.connect(config={"threads": threads, "preserve_insertion_order": False})
    database.execute("SET TimeZone = 'UTC'")
    database.execute(f"""
        CREATE TEMP TABLE sums AS
        SELECT entity_id, available_at,
            count(*) OVER entity AS n, count(f1) OVER entity AS v, sum(f1) OVER entity AS s
        FROM '{log}/*.parquet'
        WINDOW entity AS (PARTITION BY entity_id ORDER BY available_at ROWS UNBOUNDED PRECEDING)
    """)
    database.execute(f"""
        COPY (
            WITH labels AS (
                SELECT *, {before_tail(1)} AS tail1, {before_tail(7)} AS tail7 FROM '{spine}'
            )
            SELECT l.entity_id, l.label_time,
                h.n - coalesce(a.n, 0) AS count_1d,
                h.n - coalesce(b.n, 0) AS count_7d,
                CASE WHEN h.v > coalesce(a.v, 0) THEN h.s - coalesce(a.s, 0) END AS sum_1d,
                CASE WHEN h.v > coalesce(b.v, 0) THEN h.s - coalesce(b.s, 0) END AS sum_7d
            FROM labels l
            ASOF LEFT JOIN sums h ON l.entity_id = h.entity_id AND l.label_time >= h.available_at
            ASOF LEFT JOIN sums a ON l.entity_id = a.entity_id AND l.tail1 >= a.available_at
            ASOF LEFT JOIN sums b ON l.entity_id = b.entity_id AND l.tail7 >= b.available_at
        ) TO '{out}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)
    """)


run(join)
