"""A million entities with ten features, in two versions of a view, compared by `parity`."""

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone

FEATURES = 10


def write(folder, rows):
    """One row for each entity; the second version adds one to the first feature of one in ten rows."""
    columns = [f"x{i}" for i in range(FEATURES)]
    os.makedirs(f"{folder}/features")
    schema = ", ".join(f"{column}: float64" for column in columns)
    views = ""
    for version in (1, 2):
        features = [f"{column}: {{latest: {column}}}" for column in columns]
        if version == 2:
            features[0] = 'x0: {latest: "CASE WHEN entity % 10 = 0 THEN x0 + 1 ELSE x0 END"}'
        views += (
            f"---\nkind: feature_view\nname: values\nversion: {version}\nentity: entity\nsource: rows\n"
            f"features: {{{', '.join(features)}}}\n"
        )
    with open(f"{folder}/features/values.yaml", "w") as file:
        file.write(
            "kind: entity\nname: entity\nkeys: {entity: int64}\n---\nkind: source\nname: rows\n"
            f"schema: {{entity: int64, at: timestamp, {schema}}}\nevent_time: at\nbatch: {{path: rows.csv}}\n{views}"
        )
    random.seed(20130601)
    begin = datetime(2020, 1, 1, tzinfo=timezone.utc)
    with open(f"{folder}/rows.csv", "w") as file:
        file.write(f"entity,at,{','.join(columns)}\n")
        for entity in range(rows):
            at = (begin + timedelta(seconds=entity // 10)).strftime("%Y-%m-%dT%H:%M:%SZ")
            values = ",".join(f"{random.gauss(5, 40):.4f}" for _ in columns)
            file.write(f"{entity},{at},{values}\n")


def measured(command):
    """The stdout, the seconds and the peak of resident bytes of a command."""
    began = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    if os.waitstatus_to_exitcode(status) not in (0, 1):
        sys.exit(f"{' '.join(command)} failed")
    return out, seconds, usage.ru_maxrss * 1024


def main():
    binary, rows = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        write(folder, rows)
        twinstore = [binary, "--project", folder]
        subprocess.run([*twinstore, "apply"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([*twinstore, "backfill", "--all"], check=True, stdout=subprocess.DEVNULL)
        command = [*twinstore, "parity", "values@1", "values@2", "--rows", str(rows), "--format", "json"]
        out, seconds, peak = measured(command)
        report = json.loads(out)
        assert report["rows"] == rows, report["rows"]
        verdicts = [feature["verdict"] for feature in report["features"]]
        assert verdicts.count("equal") == FEATURES - 1, verdicts
        print(
            f"{rows:,} entities × {FEATURES} features: {seconds:.1f} s, {rows / seconds:,.0f} rows/s,"
            f" {peak / 1e6:.0f} MB at most"
        )


main()
