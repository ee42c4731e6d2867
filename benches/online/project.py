"""The twinstore side: a project over the generated data, registered and loaded once and kept."""

import json
import shutil
import subprocess
import time

from process import tell

FLAT_VIEWS = 20

HEAD = """\
kind: entity
name: thing
keys: {entity_id: int64}
"""

SOURCE = """\
---
kind: source
name: {name}
schema:
  entity_id: int64
  event_time: timestamp
{columns}
event_time: event_time
batch: {{path: "{path}"}}
"""

VIEW = """\
---
kind: feature_view
name: {name}
version: 1
entity: thing
source: {source}
features:
{features}
"""

SERVICE = """\
---
kind: feature_service
name: {name}
version: 1
features:
{views}
"""

ON_DEMAND = """\
---
kind: on_demand_view
name: scaled
version: 1
request: {given: float64}
inputs:
  - {from: ten@1}
features:
  scaled_sum: {expression: "(f0 + f1) * given"}
  scaled_ratio: {expression: "f2 / (given + 1.0)"}
"""

WINDOWS = {
    "count_1h": "{aggregate: count, window: 1h}",
    "count_1d": "{aggregate: count, window: 1d}",
    "count_7d": "{aggregate: count, window: 7d}",
    "sum_6h": "{aggregate: sum(amount), window: 6h}",
    "sum_1d": "{aggregate: sum(amount), window: 1d}",
    "sum_7d": "{aggregate: sum(amount), window: 7d}",
    "mean_1d": "{aggregate: mean(amount), window: 1d}",
    "mean_7d": "{aggregate: mean(amount), window: 7d}",
    "max_1d": "{aggregate: max(amount), window: 1d}",
    "max_7d": "{aggregate: max(amount), window: 7d}",
}


def definitions(data):
    """`data` has the path of each source: ten, flat and windowed."""
    wide = latest(range(FLAT_VIEWS))
    parts = [
        HEAD,
        source("tens", data["ten"], floats(range(FLAT_VIEWS))),
        source("flats", data["flat"], floats(range(FLAT_VIEWS))),
        source("amounts", data["windowed"], "  amount: float64"),
        VIEW.format(name="ten", source="tens", features=latest(range(10))),
        VIEW.format(name="wide", source="flats", features=wide),
        *(VIEW.format(name=f"v{n}", source="flats", features=latest([n])) for n in range(FLAT_VIEWS)),
        VIEW.format(
            name="windowed",
            source="amounts",
            features="\n".join(f"  {name}: {rule}" for name, rule in WINDOWS.items()),
        ),
        ON_DEMAND,
        service("ten_features", ["ten"]),
        service("one_view", ["wide"]),
        service("twenty_views", [f"v{n}" for n in range(FLAT_VIEWS)]),
        service("windows", ["windowed"]),
        service("on_demand", ["ten", "scaled"]),
    ]
    return "".join(parts)


def source(name, path, columns):
    return SOURCE.format(name=name, path=path, columns=columns)


def floats(numbers):
    return "\n".join(f"  f{n}: float64" for n in numbers)


def latest(numbers):
    return "\n".join(f"  f{n}: {{latest: f{n}}}" for n in numbers)


def service(name, views):
    return SERVICE.format(name=name, views="\n".join(f"  - {{from: {view}@1}}" for view in views))


def loaded(folder, twinstore, data, online_url, after_first):
    """Registers and loads everything where it is not there yet: the seconds of each view's backfill.
    `after_first` is called when only the view of ten features is there."""
    done = folder / "loaded.json"
    if not done.exists():
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "features").mkdir(parents=True)
        (folder / "features" / "online.yaml").write_text(definitions(data))
        if online_url:
            (folder / "twinstore.toml").write_text(f'online.url = "{online_url}"\n')
        command = [twinstore, "--project", folder]
        run([*command, "apply"])
        seconds = {}
        for view in ["ten", "windowed", "wide", *(f"v{n}" for n in range(FLAT_VIEWS))]:
            tell(f"backfill {view}@1 of {folder.name}")
            began = time.perf_counter()
            run([*command, "backfill", f"{view}@1"])
            seconds[view] = time.perf_counter() - began
            if view == "ten":
                after_first()
        done.write_text(json.dumps(seconds))
    return json.loads(done.read_text())


def run(command):
    ended = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if ended.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}\n{ended.stderr[-2000:]}")
