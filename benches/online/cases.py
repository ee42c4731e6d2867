"""The cases: what is read, of how many entities, and from which contenders."""

from dataclasses import dataclass

MOMENT_US = 1_767_225_600_000_000
CHEAP, PEERS = ["twinstore"], ["twinstore", "feast"]


@dataclass(frozen=True)
class Case:
    name: str
    group: str
    service: str
    batch: int
    source: str  # whose entities are drawn
    contenders: list
    options: tuple = ()  # more for the load generator

    @property
    def ask(self):
        return ["--service", self.service, "--batch", self.batch, *self.options]


def cases(groups, batches):
    """Those of these groups, with each size of a batch."""
    found = []
    for batch in batches:
        entities = "1 entity" if batch == 1 else f"{batch} entities"
        everyone = [*PEERS, "echo", "http", "redis"]
        at = ("--at-us", MOMENT_US)
        found += [
            Case(f"{entities} x 10 features", "ten", "ten_features", batch, "ten", everyone),
            Case(f"{entities} x 20 features of one view", "flat", "one_view", batch, "flat", PEERS),
            Case(f"{entities} x 20 features of 20 views", "flat", "twenty_views", batch, "flat", PEERS),
            Case(f"{entities} x 10 windows", "windows", "windows", batch, "windowed", CHEAP, at),
            Case(
                f"{entities} x 10 features and 2 on demand",
                "on-demand",
                "on_demand",
                batch,
                "ten",
                CHEAP,
                ("--request-column", "given"),
            ),
        ]
    return [case for case in found if case.group in groups]
