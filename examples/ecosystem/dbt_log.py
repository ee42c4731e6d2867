"""A dbt project over the offline log, built with dbt-duckdb: its model reads the files that the log had at one moment.

    python dbt_log.py FOLDER     a project as `twinstore init` writes it; dbt's database goes into it, too

It needs pyarrow, duckdb, dbt-core and dbt-duckdb.
"""

import json
import os
import pathlib
import sys

import duckdb
from dbt.cli.main import dbtRunner

import twinstore as ts

PROJECT = pathlib.Path(__file__).parent / "dbt_project"


def main(folder: str) -> None:
    store = ts.Store(folder)
    store.apply()
    store.backfill()
    view = store.view("airport_arrivals@1")
    target = pathlib.Path(folder).absolute() / "dbt"
    target.mkdir(exist_ok=True)
    os.environ["DBT_DATABASE"] = str(target / "flights.duckdb")
    # The files of one version of the log: a load or a compaction meanwhile changes nothing for this run.
    variables = json.dumps({"airport_arrivals": view.files})
    folders = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target-path", str(target), "--log-path", str(target)]
    done = dbtRunner().invoke(["build", *folders, "--vars", variables, "--quiet"])
    assert done.success, done.exception

    with duckdb.connect(os.environ["DBT_DATABASE"]) as database:
        print(database.sql("SELECT * FROM airport_days ORDER BY landings DESC LIMIT 5"))
        (landings,) = database.sql("SELECT sum(landings) FROM airport_days").fetchone()
    assert landings == view.log().count_rows()
    print(f"{landings:,} landings of the log in a table of dbt")


if __name__ == "__main__":
    main(*sys.argv[1:])
