"""The flights of the example, beside Feast: all departures against weather and two views of landings,
at the destination and of the aircraft, each with a ttl.

Feast knows no availability: its rows are visible from their event on. So the source here assumes no
delay, and both mean the same wherever one row alone is the latest.
"""

import shutil
from pathlib import Path

import rounds
from contenders import TWINSTORE, Contender
from process import measure, tell

HERE = Path(__file__).parent
NAME = "flights, 327k departures"

DEFINITIONS = """\
kind: entity
name: airport
keys: {{airport: string}}
---
kind: entity
name: aircraft
keys: {{tailnum: string}}
---
kind: source
name: landings
schema:
  landed_at: timestamp
  tailnum: string
  dest: string
  dep_delay: float32
  arr_delay: float32
  air_time: float32
event_time: landed_at
batch: {{path: "{data}/landings.parquet"}}
---
kind: source
name: weather
schema:
  origin: string
  observed_at: timestamp
  temp: float64
  humid: float64
  wind_speed: float64
  precip: float64
  pressure: float64
  visib: float64
event_time: observed_at
batch: {{path: "{data}/weather.parquet"}}
---
kind: feature_view
name: there
version: 1
entity: airport
source: landings
keys: {{airport: dest}}
ttl: 2d
features:
  dep_delay: {{latest: dep_delay}}
  arr_delay: {{latest: arr_delay}}
  air_time:  {{latest: air_time}}
---
kind: feature_view
name: aircraft
version: 1
entity: aircraft
source: landings
ttl: 30d
features:
  dep_delay: {{latest: dep_delay}}
  arr_delay: {{latest: arr_delay}}
  air_time:  {{latest: air_time}}
---
kind: feature_view
name: weather
version: 1
entity: airport
source: weather
keys: {{airport: origin}}
ttl: 3h
features:
  temp:       {{latest: temp}}
  humid:      {{latest: humid}}
  wind_speed: {{latest: wind_speed}}
  precip:     {{latest: precip}}
  pressure:   {{latest: pressure}}
  visib:      {{latest: visib}}
---
kind: feature_service
name: beside_feast
version: 1
features:
  - {{from: there@1, on: {{airport: dest}}, prefix: there__}}
  - {{from: aircraft@1, prefix: aircraft__}}
  - {{from: weather@1, on: {{airport: origin}}, prefix: weather__}}
"""


def contenders(bench, data):
    """Twinstore over its own log of the flights, and Feast where it is installed."""
    folder = bench.root / "projects" / "flights"
    if not (folder / "loaded").exists():
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "features").mkdir(parents=True)
        (folder / "features" / "flights.yaml").write_text(DEFINITIONS.format(data=data))
        measure([bench.twinstore, "--project", folder, "apply"])
        measure([bench.twinstore, "--project", folder, "backfill", "--all"])
        (folder / "loaded").touch()
    ours = bench.out("flights-twinstore")
    ask = ["training-set", "--service", "beside_feast", "--spine", data / "departures.parquet"]
    write = ["--time", "scheduled_departure", "--out", ours, "--format", "json"]
    found = [Contender(TWINSTORE, ours, [bench.twinstore, "--project", folder, *ask, *write], False)]
    python = bench.root / "feast" / "bin" / "python"
    if python.exists():
        out = bench.out("flights-feast")
        found.append(Contender("Feast", out, [python, HERE / "peers" / "feast_flights.py", data, out], True))
    else:
        tell("Feast is not installed: twinstore is measured alone")
    return found


def figures(bench, data, repeat):
    heat = rounds.Heat(NAME, "flights", None, [bench.python, HERE / "flights_agreement.py", data])
    return rounds.figures(heat, contenders(bench, data), repeat)
