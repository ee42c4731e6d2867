"""Whether two results over the flights hold the same values: `flights_agreement.py DATA ONE OTHER`.

Where several rows of a key happened at the same moment and are the latest, the position decides here
and chance decides in Feast: these labels are counted as undecided and not compared. Prints JSON.
"""

import json
import sys

import duckdb

# For each view: its file, the key and the time there. The key is also the departure's column.
VIEWS = {
    "there": ("landings", "dest", "landed_at"),
    "aircraft": ("landings", "tailnum", "landed_at"),
    "weather": ("weather", "origin", "observed_at"),
}


def main():
    data, one, other = sys.argv[1:]
    database = duckdb.connect()
    rows, = database.execute(f"SELECT count(*) FROM '{one}'").fetchone()
    matched, = database.execute(f"SELECT count(*) FROM '{one}' JOIN '{other}' USING (flight_id)").fetchone()
    differ, undecided, cells = abs(rows - matched), 0, 0
    for view, (file, key, time) in VIEWS.items():
        names = [name for name, *_ in database.execute(f"DESCRIBE SELECT * FROM '{one}'").fetchall()]
        columns = [name for name in names if name.startswith(f"{view}__")]
        differences = " + ".join(f"(a.{c} IS DISTINCT FROM b.{c})::int" for c in columns)
        compared, tied, unequal = database.execute(f"""
            WITH moments AS (
                SELECT {key}, {time} AS moment, count(*) AS latest
                FROM '{data}/{file}.parquet' GROUP BY ALL
            ), labels AS (
                SELECT d.flight_id, coalesce(m.latest, 1) > 1 AS tied
                FROM '{data}/departures.parquet' d
                ASOF LEFT JOIN moments m ON d.{key} = m.{key} AND d.scheduled_departure >= m.moment
            )
            SELECT count(*) FILTER (NOT tied), count(*) FILTER (tied),
                coalesce(sum({differences}) FILTER (NOT tied), 0)
            FROM labels JOIN '{one}' a USING (flight_id) JOIN '{other}' b USING (flight_id)
        """).fetchone()
        cells, undecided, differ = cells + compared * len(columns), undecided + tied, differ + unequal
    print(json.dumps({"rows": rows, "cells": cells, "undecided": undecided, "differ": int(differ)}))


if __name__ == "__main__":
    main()
