"""How a project is: the results of slo, doctor, quality, contract, quarantined, drift and verify_values."""

from __future__ import annotations

from typing import Any

from twinstore import _plots
from twinstore._results import PlottedResult, TableResult
from twinstore._tables import counted
from twinstore._values import age, seconds


class Objectives(PlottedResult):
    """How freshness objectives stand."""

    header = ("of", "objective", "reads", "attained", "budget left", "state", "since", "stage")

    @property
    def objectives(self) -> list[dict[str, Any]]:
        """Each of them, views first."""
        return list(self.data["objectives"])

    @property
    def kept(self) -> bool:
        """Whether no error budget burns so fast that somebody has to know."""
        return not any(one["alert"] for one in self.objectives)

    def __bool__(self) -> bool:
        return self.kept

    def __getitem__(self, of: str) -> dict[str, Any]:
        for one in self.objectives:
            if of in (one["id"], one["id"].split("@")[0]):
                return one
        raise KeyError(of)

    @property
    def caption(self) -> str:
        said = counted(len(self.objectives), "freshness objective")
        return said if self.objectives else f"{said}: give a view or a consumer one, `freshness: {{objective: 1m}}`"

    def rows(self) -> list[tuple[Any, ...]]:
        def percent(share: float | None) -> str | None:
            return None if share is None else f"{share:.2f}%"

        return [
            (
                one["id"] + (f" ({one['consumer']})" if one["consumer"] else ""),
                f"{one['target']}% within " + (one["within"] or "each view's"),
                one["reads"],
                percent(one["attained"]),
                percent(one["budget_left"]),
                one["alert"] or ("ok" if one["reads"] else "no reads"),
                one["since"],
                one["stage"],
            )
            for one in self.objectives
        ]

    def notes(self) -> list[str]:
        return list(dict.fromkeys(one["cause"] for one in self.objectives if one["cause"]))

    def plot(self) -> _plots.Plot:
        """How old the newest event of each view is, as a multiple of what its objective allows; and how much of each error
        budget is used up."""
        stale = [
            (one["id"], one["staleness_s"] / seconds(one["within"]), f"{age(one['staleness_s'])}, objective {one['within']}")
            for one in self.objectives
            if one["within"] and one["staleness_s"] is not None
        ]
        used = [
            (one["id"], 100 - one["budget_left"], f"{one['attained']:.2f}% of {one['reads']:,} reads, target {one['target']}%")
            for one in self.objectives
            if one["budget_left"] is not None
        ]
        panels = []
        if stale:
            # What is a thousand times too old would leave nothing to see of the rest.
            bars = [(name, min(times, 4.0), said) for name, times, said in stale]
            panels.append(_plots.levels("the newest event that is online", bars, [(1.0, "objective")]))
        if used:
            bars = [(name, min(max(share, 0.0), 400.0), said) for name, share, said in used]
            panels.append(_plots.levels("error budget used up, in percent", bars, [(100.0, "100%")]))
        return _plots.Plot("freshness against objective", panels)


class Examination(TableResult):
    """What a walk through a project found."""

    header = ("area", "is", "found")

    def __init__(self, data: dict[str, Any], cause: str | None) -> None:
        super().__init__(data)
        #: The probable cause of what is wrong, and what to do; ``None`` if nothing is wrong.
        self.cause = cause

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.cause is None

    def __bool__(self) -> bool:
        return self.ok

    @property
    def findings(self) -> list[dict[str, Any]]:
        """Everything that was looked at."""
        return list(self.data["findings"])

    @property
    def caption(self) -> str:
        return "nothing is wrong" if self.cause is None else f"the probable cause: {self.cause}"

    def rows(self) -> list[tuple[Any, ...]]:
        return [(one["area"], one["condition"], one["said"]) for one in self.findings]


class ColumnDays(PlottedResult):
    """What the columns of a view hold, by the date on which their rows happened. The mean is that of the finite numbers, and
    NaN is in no quantile."""

    header = ("date", "column", "rows", "null", "not finite", "distinct", "mean", "least", "median", "greatest")

    @property
    def days(self) -> list[dict[str, Any]]:
        """The statistics of each column on each date."""
        return list(self.data["statistics"])

    @property
    def caption(self) -> str:
        return f"{self.data['view']}: {counted(len({one['date'] for one in self.days}), 'date')}"

    def rows(self) -> list[tuple[Any, ...]]:
        def quantile(one: dict[str, Any], per_mille: int) -> Any:
            return one["quantiles"][one["per_mille"].index(per_mille)]

        return [
            (
                one["date"],
                one["column"],
                one["rows"],
                one["nulls"],
                one["not_finite"],
                one["distinct"],
                one["mean"],
                *(quantile(one, per_mille) for per_mille in (0, 500, 1000)),
            )
            for one in self.days
        ]


    def plot(self) -> _plots.Plot:
        """What each column holds, over dates: the middle half and nine tenths of its values, and the median."""
        panels = []
        for column in dict.fromkeys(one["column"] for one in self.days):
            days = sorted((one for one in self.days if one["column"] == column), key=lambda one: str(one["date"]))
            five = [[dict(zip(one["per_mille"], one["quantiles"])).get(q) for q in (50, 250, 500, 750, 950)] for one in days]
            panels.append(_plots.over_dates(column, [str(one["date"]) for one in days], five))
        return _plots.Plot(f"{self.data['view']}, by date", [panel for panel in panels if panel is not None])


class Quarantined(TableResult):
    """The quarantined batches of views, and what was decided of them."""

    header = ("view", "batch", "file", "decision", "rows", "failing", "why")

    @property
    def batches(self) -> list[dict[str, Any]]:
        """Each of them."""
        return list(self.data["quarantined"])

    @property
    def caption(self) -> str:
        count = len(self.batches)
        return "no batch is quarantined" if not count else f"{count:,} {'batch' if count == 1 else 'batches'} quarantined"

    def rows(self) -> list[tuple[Any, ...]]:
        return [tuple(one[name] for name in self.header) for one in self.batches]


class Contract(TableResult):
    """What a source promises, who depends on it, and whether it keeps that."""

    header = ("view", "name", "what", "on failure")

    @property
    def schema(self) -> dict[str, str]:
        """Its columns and their types."""
        return dict(self.data["schema"])

    @property
    def caption(self) -> str:
        owner = self.data["owner"] or "nobody is named as its owner"
        return f"source {self.data['source']} ({owner}): {', '.join(f'{name} {kind}' for name, kind in self.schema.items())}"

    def rows(self) -> list[tuple[Any, ...]]:
        # One without a name of its own is called as it reads.
        return [
            (one["view"], "-" if one["name"] == one["what"] else one["name"], one["what"], one["on_failure"])
            for one in self.data["promises"]
        ]

    def notes(self) -> list[str]:
        return [f"{one['view']}: {counted(one['files'], 'file')} in quarantine" for one in self.data["quarantined"]]


class Drift(PlottedResult):
    """How far what the columns of a view hold lies from a reference."""

    header = ("column", "verdict", "psi", "ks", "jensen-shannon", "reference rows", "live rows")

    @property
    def columns(self) -> dict[str, dict[str, Any]]:
        """The figures of each column, by its name."""
        return {one["column"]: one for one in self.data["columns"]}

    @property
    def drifted(self) -> list[str]:
        """The columns that have drifted."""
        return [name for name, one in self.columns.items() if one["verdict"] == "drifted"]

    @property
    def compared(self) -> list[str]:
        """The columns that could be compared: both sides have enough values of them."""
        return [name for name, one in self.columns.items() if one["verdict"] not in ("unknown", "too few rows")]

    def __bool__(self) -> bool:
        """Whether something was compared, and nothing has drifted."""
        return bool(self.compared) and not self.drifted

    @property
    def caption(self) -> str:
        if not self.compared:
            return f"{self.data['view']}: too few rows to say whether values drifted"
        return f"{self.data['view']}: {', '.join(self.drifted) or 'nothing'} drifted"

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (
                one["column"],
                one["verdict"],
                one["psi"],
                one["ks"],
                one["jensen_shannon"],
                one["reference_rows"],
                one["live_rows"],
            )
            for one in self.data["columns"]
        ]


    def plot(self) -> _plots.Plot:
        """How far each column lies from the reference, and both distributions, the farthest first."""
        measured = [one for one in self.data["columns"] if one["psi"] is not None]
        measured.sort(key=lambda one: -float(one["psi"]))
        panels = []
        if measured:
            bars = [(one["column"], min(one["psi"], 1.0), f"{one['psi']:.3g}, {one['verdict']}") for one in measured]
            marks = [(0.1, "moved"), (0.25, "drifted")]
            panels.append(_plots.levels("population stability index", bars, marks))
        for one in measured:
            panel = self._distribution(one)
            if panel is not None:
                panels.append(panel)
        return _plots.Plot(self.caption, panels)

    def _distribution(self, column: dict[str, Any]) -> _plots.Panel | None:
        title = f"{column['column']}: {column['verdict']}"
        sides = tuple(f"{side} ({counted(column[f'{side}_rows'], 'row')})" for side in ("reference", "live"))
        quantiles = [(one["q"], one["reference"], one["live"]) for one in column["quantiles"]]
        lines = _plots.distributions(title, quantiles, (sides[0], sides[1]))
        if lines is not None:
            return lines
        reference, live = (
            {str(one["value"]): one["rows"] / max(column[f"{side}_rows"], 1) for one in column[f"{side}_top"]}
            for side in ("reference", "live")
        )
        names = list(dict.fromkeys([*reference, *live]))[:12]
        bars = [(_plots.label(name), reference.get(name, 0.0), live.get(name, 0.0)) for name in names]
        return _plots.pairs(title, bars, (sides[0], sides[1]))


class Values(TableResult):
    """How online values compare with the log."""

    header = ("view", "entities", "same", "differ", "not known", "passed over")

    @property
    def ok(self) -> bool:
        """Whether none differs."""
        return not any(one["differing"] for one in self.data["views"])

    def __bool__(self) -> bool:
        return self.ok

    @property
    def differences(self) -> list[dict[str, Any]]:
        """The first entities of each view that differ, with both values and why."""
        return [{"view": one["view"], **entity} for one in self.data["views"] for entity in one["differences"]]

    @property
    def caption(self) -> str:
        said = "every value is what the log gives, to the bit" if self.ok else "values are not what the log gives"
        return f"{self.data['at']}: {said}"

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (one["view"], one["entities"], one["same"], one["differing"], one["unknown"], one["passed_over"])
            for one in self.data["views"]
        ]

    def notes(self) -> list[str]:
        return [
            f"{one['view']} {one['entity']}: {one['why']}"
            + "".join(
                f"; {cell['feature']} {cell['served']['value']!r}, and the log gives {cell['folded']['value']!r}"
                for cell in one["features"]
            )
            for one in self.differences
        ]
