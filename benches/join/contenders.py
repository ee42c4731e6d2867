"""Who takes part in a case, and by which command.

The floor decodes the columns of twinstore's own log that a point-in-time join cannot do without, and
writes twinstore's own result again.
"""

from dataclasses import dataclass
from pathlib import Path

import project

PEERS = Path(__file__).parent / "peers"
PEERS_OF = {
    "newest": {"DuckDB": "duckdb_asof.py", "Polars": "polars_asof.py", "ClickHouse": "clickhouse_asof.py"},
    "windows": {"DuckDB": "duckdb_windows.py"},
}
COLUMNS_OF = {
    "newest": "entity_id,_event_time,_available_at,f1,f2,f3,f4",
    "windows": "entity_id,_event_time,_available_at,f1",
}
TWINSTORE = "twinstore"
FLOOR = "scan + write"


@dataclass(frozen=True)
class Contender:
    name: str
    out: Path
    command: list
    # Whether its own clock counts, which starts after imports; else the whole process does.
    says_seconds: bool


@dataclass(frozen=True)
class Bench:
    """Where everything lies."""

    root: Path
    python: Path
    twinstore: Path
    scan: Path

    @property
    def data(self):
        return self.root / "data"

    def project_of(self, log):
        return self.root / "projects" / log.name

    def out(self, name):
        folder = self.root / "out"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.parquet"


def contenders(bench, case, log_folder, spine, threads):
    """Twinstore first: the floor writes its result again."""
    folder = bench.project_of(case.log)
    ours = bench.out("twinstore")
    ask = ["training-set", "--service", case.service, "--spine", spine, "--time", "label_time"]
    write = ["--out", ours, "--format", "json"]
    found = [Contender(TWINSTORE, ours, [bench.twinstore, "--project", folder, *ask, *write], False)]

    floor = [bench.scan, project.log_folder_of(folder, case.service), "--columns", COLUMNS_OF[case.service]]
    again = ["--threads", threads, "--result", ours, "--out", bench.out("floor")]
    found.append(Contender(FLOOR, bench.out("floor"), [*floor, *again], True))

    # Skew is measured against the uniform case, not against peers.
    peers = {} if case.group == "skew" else PEERS_OF[case.service]
    for name, script in peers.items():
        out = bench.out(name.lower())
        command = [bench.python, PEERS / script, log_folder, spine, out, threads]
        found.append(Contender(name, out, command, True))
    return found
