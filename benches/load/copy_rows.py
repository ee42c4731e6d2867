"""DuckDB in a process of its own: `copy_rows.py generate FOLDER ROWS ENTITIES` writes the source's files,
`copy_rows.py copy FOLDER OUT THREADS` copies them to one Parquet file with zstd and prints the seconds of the copy."""

import sys
import time

import duckdb

FILES = 10
DAYS = 400

# Rows lie in the order of arrival over 400 days. Where every entity has one row, its number is a
# permutation; else it is drawn by a hash. One value in a hundred is null.
ROWS = """
SELECT {entity} AS entity_id,
       make_timestamp(1704067200000000 + i * {step} + (hash(i, 'time') % {step})::BIGINT) AS event_time,
       {values}
FROM range({first}, {last}) AS rows(i)
"""
VALUE = "CASE WHEN hash(i, '{name}') % 100 = 0 THEN NULL ELSE (hash(i, '{name}') % 1000003) / 7.0 END AS {name}"
# Prime, and no divisor of any number of entities here.
STRIDE = 2_654_435_761


def generate(folder, rows, entities):
    step = DAYS * 86_400_000_000 // rows
    entity = f"(i * {STRIDE}) % {entities}" if rows == entities else f"(hash(i, 'entity') % {entities})::BIGINT"
    values = ", ".join(VALUE.format(name=name) for name in ("f1", "f2", "f3", "f4"))
    for number in range(FILES):
        first, last = rows * number // FILES, rows * (number + 1) // FILES
        select = ROWS.format(entity=entity, step=step, first=first, last=last, values=values)
        duckdb.sql(f"COPY ({select}) TO '{folder}/part-{number:03}.parquet' (FORMAT parquet, COMPRESSION zstd)")


def copy(folder, out, threads):
    duckdb.sql(f"SET threads = {threads}")
    began = time.perf_counter()
    duckdb.sql(f"COPY (FROM '{folder}/*.parquet') TO '{out}' (FORMAT parquet, COMPRESSION zstd)")
    print(time.perf_counter() - began)


def main():
    match sys.argv[1:]:
        case ["generate", folder, rows, entities]:
            generate(folder, int(rows), int(entities))
        case ["copy", folder, out, threads]:
            copy(folder, out, int(threads))
        case _:
            sys.exit(__doc__)


main()
