"""SQL over the offline log with DuckDB: landings by day, and a latest feature joined by hand as a training set has it.

    python duckdb_log.py FOLDER     a project as `twinstore init` writes it

It needs pandas, pyarrow and duckdb.
"""

import sys

import duckdb
import pandas as pd

import twinstore as ts

DAYS = """
SELECT CAST(_event_time AS DATE) AS day, count(*) AS landings, round(avg(arr_delay), 1) AS mean_delay
FROM log GROUP BY day ORDER BY day
"""

# A label sees a row from the later of its event and the moment at which it could be read. Of those that it sees, the last one
# by event time and position counts, for as long as the view's ttl says.
LATEST = """
SELECT spine.flight_id, log.arr_delay AS last_delay
FROM spine LEFT JOIN log
  ON log.airport = spine.dest
  AND greatest(log._event_time, log._available_at) <= spine.scheduled_departure
QUALIFY row_number() OVER (
  PARTITION BY spine.flight_id
  ORDER BY log._event_time DESC NULLS LAST, log._position_kind DESC, log._position_major DESC, log._position_minor DESC
) = 1
  AND (log._event_time IS NULL OR spine.scheduled_departure - log._event_time <= INTERVAL 2 DAY)
"""


def main(folder: str) -> None:
    store = ts.Store(folder)
    store.apply()
    store.backfill()
    log = store.view("airport_arrivals@1").log()
    spine = pd.read_parquet(f"{folder}/data/departures.parquet")

    database = duckdb.connect()
    database.register("log", log)
    database.register("spine", spine)
    print(database.sql(DAYS))

    by_hand = database.sql(LATEST).df().set_index("flight_id")["last_delay"]
    training = store.training_set("late_arrival", spine, time="scheduled_departure")
    joined = training.set_index("flight_id")["dest_last_delay"].dropna()
    by_hand = by_hand.dropna().reindex(joined.index)
    assert len(joined) > 1_000 and (by_hand == joined).all(), "SQL over the log gives what the training set has"
    print(f"{len(joined):,} values of dest_last_delay, the same by SQL over the log as in the training set")


if __name__ == "__main__":
    main(*sys.argv[1:])
