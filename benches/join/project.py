"""The twinstore side: a project over a generated log, its history loaded once and kept.

The online store that a backfill syncs is removed: the join does not read it.
"""

import json
import shutil

from process import measure, tell

VIEW_OF = {"newest": "newest@1", "windows": "windowed@1"}

DEFINITIONS = """\
kind: entity
name: thing
keys: {{entity_id: int64}}
---
kind: source
name: facts
schema:
  entity_id: int64
  event_time: timestamp
  available_at: timestamp
  f1: float64
  f2: float64
  f3: float64
  f4: float64
event_time: event_time
available_at: available_at
batch: {{path: "{path}"}}
---
kind: feature_view
name: newest
version: 1
entity: thing
source: facts
features:
  f1: {{latest: f1}}
  f2: {{latest: f2}}
  f3: {{latest: f3}}
  f4: {{latest: f4}}
---
kind: feature_view
name: windowed
version: 1
entity: thing
source: facts
features:
  count_1d: {{aggregate: count, window: 1d}}
  count_7d: {{aggregate: count, window: 7d}}
  sum_1d:   {{aggregate: sum(f1), window: 1d}}
  sum_7d:   {{aggregate: sum(f1), window: 7d}}
---
kind: feature_service
name: newest
version: 1
features:
  - {{from: newest@1}}
---
kind: feature_service
name: windows
version: 1
features:
  - {{from: windowed@1}}
"""


def loaded(folder, twinstore, log_folder, service):
    """A project whose log of this service's view is there, and the seconds that loading it took."""
    (folder / "features").mkdir(parents=True, exist_ok=True)
    (folder / "features" / "join.yaml").write_text(DEFINITIONS.format(path=log_folder / "*.parquet"))
    view = VIEW_OF[service]
    done = folder / f"{view}.loaded.json"
    if not done.exists():
        tell(f"loading {view} of {log_folder.name}")
        command = [twinstore, "--project", folder]
        measure([*command, "apply"])
        measured = measure([*command, "backfill", view])
        shutil.rmtree(folder / ".twinstore" / "online", ignore_errors=True)
        done.write_text(json.dumps({"seconds": measured.seconds, "peak_mb": measured.peak_mb}))
    return json.loads(done.read_text())["seconds"]


def log_folder_of(folder, service):
    """Where the Parquet files of the log of a service's view lie."""
    name, version = VIEW_OF[service].split("@")
    return folder / ".twinstore" / "offline" / "log" / name / f"v{version}"
