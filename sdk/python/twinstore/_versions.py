"""What is stored and which version answers: the results of verify, lineage, parity, cutover and rollback."""

from __future__ import annotations

from typing import Any

from twinstore import _plots
from twinstore._results import PlottedResult, Result, TableResult
from twinstore._tables import counted, html_text


class Verified(TableResult):
    """What was checked of what is stored."""

    header = ("what", "commits", "files", "bytes", "damaged")

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged."""
        return not self.damaged

    @property
    def damaged(self) -> list[str]:
        """Everything that is damaged, a sentence each."""
        return list(self.data["damaged"])

    def __bool__(self) -> bool:
        return self.ok

    @property
    def caption(self) -> str:
        how = "every file was read" if self.data["deep"] else "commits and lengths of files"
        return f"{how}: {'nothing is damaged' if self.ok else counted(len(self.damaged), 'damage')}"

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (one["what"], one["commits"], one["files"], one["bytes"], one["damaged"]) for one in self.data["checked"]
        ]

    def notes(self) -> list[str]:
        return self.damaged


class Lineage(TableResult):
    """What a name comes from, and what comes from it."""

    header = ("from", "to", "how")

    def __init__(self, data: dict[str, Any], mermaid: str) -> None:
        super().__init__(data)
        self.mermaid = mermaid

    @property
    def nodes(self) -> list[dict[str, Any]]:
        """What was found."""
        return list(self.data["nodes"])

    @property
    def edges(self) -> list[dict[str, Any]]:
        """What comes from what."""
        return list(self.data["edges"])

    @property
    def caption(self) -> str:
        return f"{', '.join(self.data['of'])}: {counted(len(self.nodes), 'node')}, {counted(len(self.edges), 'edge')}"

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (one["from"], one["to"], "values" if one["direct"] else "decides which rows count") for one in self.edges
        ]


class Parity(PlottedResult):
    """Two versions compared."""

    header = ("feature", "verdict", "equal", "psi", "ks")

    def __init__(self, data: dict[str, Any], page: str) -> None:
        super().__init__(data)
        self.page = page

    @property
    def passed(self) -> bool:
        """Whether the new version may replace the old one by it."""
        return bool(self.data["passed"])

    @property
    def failure(self) -> str | None:
        """Why it did not pass, in a sentence."""
        failure = self.data["failure"]
        return None if failure is None else str(failure)

    def __bool__(self) -> bool:
        return self.passed

    @property
    def caption(self) -> str:
        verdict = "passed" if self.passed else str(self.failure)
        return f"{self.data['new']} beside {self.data['old']} at {counted(self.data['rows'], 'row')}: {verdict}"

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (one["name"], one["verdict"], one.get("equal_share"), one.get("psi"), one.get("ks"))
            for one in self.data["features"]
        ]

    def notes(self) -> list[str]:
        return [f"{one['name']}: {cause}" for one in self.data["features"] for cause in one["likely_causes"]]

    def plot(self) -> _plots.Plot:
        """The distributions of each feature, old against new; what is not equal first."""
        panels = [
            _plots.pairs(f"{one['name']}: {one['verdict']}", shares(one["bars"]), (self.data["old"], self.data["new"]))
            for one in sorted(self.data["features"], key=lambda one: bool(one["verdict"] == "equal"))
        ]
        title = f"{self.data['new']} beside {self.data['old']}"
        return _plots.Plot(title, [panel for panel in panels if panel is not None])

    def save(self, path: str) -> None:
        """Writes the report as one HTML page with plots."""
        with open(path, "w", encoding="utf-8") as file:
            file.write(self.page)


def shares(bars: list[dict[str, Any]]) -> list[tuple[str, float, float]]:
    """Bars by what share of either side they have; those that neither has at an end are left out."""
    while bars and not bars[0]["old"] + bars[0]["new"]:
        bars = bars[1:]
    while bars and not bars[-1]["old"] + bars[-1]["new"]:
        bars = bars[:-1]
    old, new = (sum(bar[side] for bar in bars) or 1 for side in ("old", "new"))

    def name(bar: dict[str, Any]) -> str:
        if bar["from"] is None:
            return f"< {_plots.label(bar['to'])}"
        return _plots.label(bar["from"])

    return [(name(bar), bar["old"] / old, bar["new"] / new) for bar in bars]


def answered(rollout: dict[str, Any]) -> str:
    """How a service's own name is answered."""
    canary = rollout.get("canary")
    if canary:
        return f"{rollout['live']} with {canary['percent']} on {canary['version']}"
    return str(rollout["live"])


class Rollback(Result):
    """How a service's own name was answered before, and is since."""

    @property
    def before(self) -> str:
        """How it was answered before."""
        return answered(self.data["moved"]["before"])

    @property
    def after(self) -> str:
        """How it is answered since."""
        return answered(self.data["moved"]["after"])

    @property
    def generation(self) -> int:
        """The generation of the registry after it."""
        return int(self.data["moved"]["generation"])

    def __repr__(self) -> str:
        return f"{self.before} → {self.after} (generation {self.generation})"

    def _repr_html_(self) -> str:
        return html_text(repr(self))


class Cutover(Rollback):
    """How a service's own name was answered before, and is since; and what the gates said."""

    @property
    def gates(self) -> list[dict[str, Any]]:
        """What the gates said."""
        return list(self.data["gates"])

    def __repr__(self) -> str:
        gates = [f"{'ok' if gate['passed'] else 'FAILS':<6}{gate['said']}" for gate in self.gates]
        return "\n".join([*gates, super().__repr__()])


