"""Latest values by Polars' `join_asof`, lazily from files to a file."""

import os
import sys

# Read when polars is imported.
os.environ["POLARS_MAX_THREADS"] = sys.argv[4]

import polars as pl
from timed import run


def join(log, spine, out, threads):
    facts = pl.scan_parquet(f"{log}/*.parquet").drop("event_time").sort("available_at")
    labels = pl.scan_parquet(spine).sort("label_time")
    joined = labels.join_asof(
        facts,
        left_on="label_time",
        right_on="available_at",
        by="entity_id",
        strategy="backward",
        coalesce=True,
        check_sortedness=False,
    )
    columns = ["entity_id", "label_time", "f1", "f2", "f3", "f4"]
    joined.select(columns).sink_parquet(out, compression="zstd", compression_level=1)


run(join)
