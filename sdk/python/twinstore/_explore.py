"""Looking at what is defined, and at what a log holds."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from twinstore import _frames, _results, _twinstore
from twinstore._errors import InputError
from twinstore._tables import counted
from twinstore._values import time_text, whole


class Definitions(_results.TableResult):
    """Definitions, a row each."""

    header = ("name", "kind", "features", "owner", "description")

    def __len__(self) -> int:
        return len(self.data["definitions"])

    @property
    def names(self) -> list[str]:
        """Their names, with the version where they have one."""
        return [reference(one) for one in self.data["definitions"]]

    @property
    def caption(self) -> str:
        return counted(len(self), str(self.data["what"]))

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (reference(one), one["kind"].replace("_", " "), one["features"], one["owner"], one["description"])
            for one in self.data["definitions"]
        ]


class Found(Definitions):
    """What has a text in its name, its description, its owner or the names of its features."""

    @property
    def features(self) -> list[dict[str, Any]]:
        """Features of such a name, each where it is defined or given."""
        return list(self.data["features"])

    @property
    def caption(self) -> str:
        return f"{counted(len(self), 'definition')} and {counted(len(self.features), 'feature')}"

    def rows(self) -> list[tuple[Any, ...]]:
        return [*super().rows(), *((one["name"], "feature", None, None, f"{one['of']}: {one['what']}") for one in self.features)]


class Statistics(_results.TableResult):
    """What the columns of a log hold. The mean is that of the finite numbers, and NaN is neither the least nor the greatest."""

    header = ("column", "type", "null", "not finite", "distinct", "least", "greatest", "mean")

    @property
    def caption(self) -> str:
        return f"{self.data['view']}: {counted(self.data['rows'], 'row')}"

    def rows(self) -> list[tuple[Any, ...]]:
        return [tuple(column[name.replace(" ", "_")] for name in self.header) for column in self.data["columns"]]

    def __getitem__(self, column: str) -> dict[str, Any]:
        found: dict[str, Any] = next(one for one in self.data["columns"] if one["column"] == column)
        return found


class View(_results.TableResult):
    """A feature view, and its log.

    >>> view = store.view("airport_arrivals@1")
    >>> view.head(1)["airport"].tolist()
    ['LAX']
    >>> view.log().count_rows()
    3
    """

    header = ("feature", "type", "unit", "how")

    @property
    def name(self) -> str:
        """The version, as ``name@version``."""
        return str(self.data["view"])

    @property
    def keys(self) -> list[str]:
        """The columns of its join keys."""
        return list(self.data["keys"])

    @property
    def features(self) -> dict[str, str]:
        """Its features, with their types."""
        return {one["name"]: one["type"] for one in self.data["features"]}

    @property
    def files(self) -> list[str]:
        """The Parquet files of its log, as the log was when the view was looked up."""
        return list(self.data["files"])

    @property
    def caption(self) -> str:
        return f"{self.name} of {', '.join(self.keys)}, {counted(self.data['rows'], 'row')} in its log"

    def rows(self) -> list[tuple[Any, ...]]:
        return [(one["name"], one["type"], one["unit"], one["what"]) for one in self.data["features"]]

    def log(self) -> Any:
        """The rows of its log as a dataset of pyarrow, as the log was when the view was looked up. DuckDB, polars
        (``polars.scan_pyarrow_dataset``) and pandas query it."""
        if not self.data["files"]:
            call = f"store.{'backfill' if self.data['has_history'] else 'stream'}(\"{self.name}\")"
            rows = "call" if self.data["has_history"] else "its rows come from its stream, so push some and call"
            raise InputError(f"nothing was loaded for {self.name} yet: {rows} `{call}`")
        return _frames.library_of("pyarrow.dataset", "a log").dataset(self.data["files"], format="parquet")

    def head(self, rows: int = 5) -> Any:
        """Some rows of its log, as a frame of pandas."""
        return _frames.to_pandas(self.log().head(whole("rows", rows)))

    def statistics(self) -> Statistics:
        """For each column of its log how much is null and how much NaN or infinite, how many values are distinct, the least,
        the greatest, and the mean of the finite numbers."""
        pyarrow = _frames.library_of("pyarrow", "a log")
        compute = _frames.library_of("pyarrow.compute", "a log")
        log = self.log()
        columns = []
        for field in log.schema:
            values = log.to_table(columns=[field.name]).column(0)
            ordered = not pyarrow.types.is_nested(field.type) and not pyarrow.types.is_boolean(field.type)
            floating = pyarrow.types.is_floating(field.type)
            numeric = pyarrow.types.is_integer(field.type) or floating
            numbers = values.filter(compute.invert(compute.is_nan(values))) if floating else values
            finite = values.filter(compute.is_finite(values)) if floating else values
            extremes = compute.min_max(numbers).as_py() if ordered else {"min": None, "max": None}
            columns.append(
                {
                    "column": field.name,
                    "type": str(field.type),
                    "null": values.null_count,
                    "not_finite": len(values.drop_null()) - len(finite.drop_null()),
                    "distinct": compute.count_distinct(values).as_py() if ordered else None,
                    "least": extremes["min"],
                    "greatest": extremes["max"],
                    "mean": compute.mean(finite).as_py() if numeric else None,
                }
            )
        return Statistics({"view": self.name, "rows": log.count_rows(), "columns": columns})


def reference(definition: dict[str, Any]) -> str:
    """The name of a definition, with its version where it has one."""
    version = definition["version"]
    return str(definition["name"]) if version is None else f"{definition['name']}@{version}"


def every_entity(project: _twinstore.Project, service: str, at: Any) -> tuple[Any, str]:
    """A spine of every entity that the logs of a service's views know, at one moment, and its column of times."""
    pyarrow = _frames.library_of("pyarrow", "batch_features()")
    plan = json.loads(project.service(service))
    if plan["request"]:
        names = ", ".join(one["name"] for one in plan["request"])
        raise InputError(
            f"{plan['service']} needs the request column {names}, which no log has: make a spine, and call "
            "`store.training_set(…)`"
        )
    roles = {tuple(lookup["keys"]) for lookup in plan["lookups"]}
    if len({frozenset(role) for role in roles}) != 1:
        said = "; ".join(f"{lookup['view']} by {', '.join(lookup['keys'])}" for lookup in plan["lookups"])
        raise InputError(
            f"{plan['service']} reads several entities ({said}), whose pairs no log has: make a spine, and call "
            "`store.training_set(…)`"
        )
    found = []
    for lookup in plan["lookups"]:
        view = View(json.loads(project.view_log(lookup["view"])))
        entities = view.log().to_table(columns=view.keys).rename_columns(lookup["keys"])
        found.append(entities.select(sorted(lookup["keys"])))
    entities = pyarrow.concat_tables(found, promote_options="permissive")
    entities = entities.group_by(entities.column_names).aggregate([]).drop_null()
    time = "at"
    while time in entities.column_names:
        time = f"_{time}"
    moment = at or dt.datetime.now(dt.timezone.utc)
    moment = dt.datetime.fromisoformat((time_text(moment) or "").replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.timezone.utc)
    times = pyarrow.repeat(pyarrow.scalar(moment, pyarrow.timestamp("us", "UTC")), entities.num_rows)
    return entities.append_column(time, times), time
