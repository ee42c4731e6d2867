"""What the methods of a store give: the data of the command's JSON, shown as tables in terminals and notebooks."""

from __future__ import annotations

from typing import Any

from twinstore._plots import Plot
from twinstore._tables import counted, html_table, html_text, share, text_table


class Result:
    """A result. ``data`` has everything that is known of it, as the command's JSON has."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.data == self.data

    def __hash__(self) -> int:
        return hash(repr(self))


class TableResult(Result):
    """A result that is shown as one table, with a line above it and notes below."""

    header: tuple[str, ...] = ()

    @property
    def caption(self) -> str:
        """What the result is, in a line."""
        raise NotImplementedError

    def rows(self) -> list[tuple[Any, ...]]:
        """The rows of the table."""
        raise NotImplementedError

    def notes(self) -> list[str]:
        """What the table does not say."""
        return []

    def __repr__(self) -> str:
        table = text_table(self.header, self.rows()) if self.rows() else ""
        return "\n".join(part for part in [self.caption, table, *self.notes()] if part)

    def _repr_html_(self) -> str:
        return html_table(self.caption, self.header, self.rows(), self.notes())


class PlottedResult(TableResult):
    """A result that is shown as a table and as a plot."""

    def plot(self) -> Plot:
        """The plot, which a notebook shows and ``save`` writes as a file."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return super()._repr_html_() + self.plot().svg


def open_note(one: dict[str, Any]) -> str:
    """What there is to say of labels at which a circuit breaker was open."""
    features = f" for {', '.join(one['features'])}" if one["features"] else ""
    held = f"its answers as of {one['good_until']}" if one["answers"] == "last_known_good" else "no value"
    have = "has" if one["labels"] == 1 else "have"
    return (
        f"{counted(one['labels'], 'label')} while the circuit breaker of {one['view']} was open{features}, and {have} what "
        f"was served then: {held}"
    )


class Summary(TableResult):
    """What there is to say of a training set."""

    header = ("feature", "null", "leaks avoided")

    @property
    def service(self) -> str:
        """The version of the service, as ``name@version``."""
        return str(self.data["service"])

    @property
    def length(self) -> int:
        """How many rows it has."""
        return int(self.data["rows"])

    @property
    def as_of(self) -> str:
        """Which rows a label may see: ``available`` or ``event``."""
        return str(self.data["as_of"])

    @property
    def seconds(self) -> float:
        """How long it took."""
        return float(self.data["seconds"])

    @property
    def nulls(self) -> dict[str, int]:
        """For each feature how many labels have no value."""
        return {one["name"]: one["nulls"] for one in self.data["features"]}

    @property
    def leaks_avoided(self) -> dict[str, int | None]:
        """For each feature how many labels a join on event time would have filled from rows that nobody could have read
        yet; ``None`` where this was such a join."""
        return {one["name"]: one["leaked_by_event_time"] for one in self.data["features"]}

    @property
    def outside_log(self) -> list[dict[str, Any]]:
        """For each view the days of its log, and how many labels lie before and after them."""
        return list(self.data["outside_log"])

    @property
    def breakers(self) -> list[dict[str, Any]]:
        """The openings of circuit breakers into which labels fall, and how many: they have what was served meanwhile."""
        return list(self.data["breakers"])

    @property
    def quarantined(self) -> list[dict[str, Any]]:
        """The batches in quarantine, whose rows no label sees: view, batch, file and rows."""
        return list(self.data["quarantined"])

    @property
    def caption(self) -> str:
        return (
            f"{counted(self.length, 'row')} × {counted(len(self.data['features']), 'feature')} of {self.service}, "
            f"as of {self.as_of}, in {self.seconds:.1f}s"
        )

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (one["name"], share(one["nulls"], self.length), one["leaked_by_event_time"])
            for one in self.data["features"]
        ]

    def notes(self) -> list[str]:
        notes = [
            f"labels outside the log of {one['view']}: {one['before']:,} before its first day, {one['first_day']}, and "
            f"{one['after']:,} behind its last, {one['last_day']}"
            for one in self.outside_log
            if one["before"] + one["after"]
        ]
        notes.extend(open_note(one) for one in self.breakers)
        for view in dict.fromkeys(one["view"] for one in self.quarantined):
            batches = [one for one in self.quarantined if one["view"] == view]
            rows = counted(sum(one["rows"] for one in batches), "row")
            of = "a batch" if len(batches) == 1 else f"{len(batches)} batches"
            notes.append(f"left out by quarantine: {rows} of {of} of {view}")
        if self.as_of == "event":
            notes.append(
                "as_of=\"event\" shows rows that nobody could have read yet: a model trained on it will not be served "
                "what it saw"
            )
        return notes


class Plan(Result):
    """What :meth:`Store.apply` would change."""

    @property
    def ok(self) -> bool:
        """Whether it would be applied."""
        return self.data["refused"] is None

    @property
    def refused(self) -> str | None:
        """Why it would be refused, a sentence each."""
        refused = self.data["refused"]
        return None if refused is None else str(refused)

    @property
    def changes(self) -> list[dict[str, Any]]:
        """What becomes of each definition."""
        return list(self.data["plan"]["changes"])

    @property
    def misfits(self) -> list[str]:
        """What the heads of the sources' files say against their definitions, a sentence each."""
        return list(self.data["misfits"])

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        notes = [f"note: {misfit}" for misfit in self.misfits]
        refused = [] if self.refused is None else [f"refused: nothing would be applied\n{self.refused}"]
        return "\n".join([str(self.data["shown"]), *notes, *refused])

    def _repr_html_(self) -> str:
        return html_text(repr(self))


class Applied(Result):
    """What was registered."""

    @property
    def generation(self) -> int:
        """The generation of the registry after it."""
        return int(self.data["done"]["applied"]["generation"])

    @property
    def added(self) -> int:
        """How many definitions are new."""
        return int(self.data["done"]["applied"]["added"])

    @property
    def changes(self) -> list[dict[str, Any]]:
        """What was done about each definition."""
        return list(self.data["done"]["plan"]["changes"])

    def __repr__(self) -> str:
        applied = self.data["done"]["applied"]
        if self.data["is_empty"]:
            return f"nothing to apply: the registry is up to date (generation {self.generation})"
        edited = f", {applied['edited']} edited before first use" if applied["edited"] else ""
        said = f"applied: {self.added} added, {applied['revised']} revised{edited} (generation {self.generation})"
        return f"{self.data['shown']}\n{said}"

    def _repr_html_(self) -> str:
        return html_text(repr(self))


class Loads(TableResult):
    """What a load of views did."""

    header = ("view", "read", "loaded", "late", "refused", "left out", "entities", "seconds")

    @property
    def loaded(self) -> dict[str, dict[str, Any]]:
        """The outcome for the rows of each view, by its name and version."""
        return {one["report"]["view"]: one["report"] for one in self.data["loaded"]}

    @property
    def rows_loaded(self) -> int:
        """How many rows were loaded in all."""
        return sum(int(one["report"]["rows_loaded"]) for one in self.data["loaded"])

    @property
    def extracts(self) -> list[dict[str, Any]]:
        """What was extracted before from the database of each source that is a query."""
        return list(self.data["extracts"])

    @property
    def caption(self) -> str:
        return f"{counted(self.rows_loaded, 'row')} loaded in {self.data['seconds']:.1f}s"

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (
                one["report"]["view"],
                one["report"]["rows_read"],
                one["report"]["rows_loaded"],
                one["report"]["late"],
                one["refused_rows"],
                one["left_out"],
                one["report"]["entities"],
                one["seconds"],
            )
            for one in self.data["loaded"]
        ]

    def notes(self) -> list[str]:
        gone = [
            f"{one['source']}: {counted(one['rows_gone'], 'row')} extracted before that the query does not give any more"
            for one in self.extracts
            if one["rows_gone"]
        ]
        refused = [
            f"{one['report']['view']}: {counted(rows, 'row')} refused: {reason.replace('_', ' ')}"
            for one in self.data["loaded"]
            for reason, rows in one["report"]["refused"].items()
        ]
        return gone + refused


class Streamed(TableResult):
    """The outcome for the streams of views."""

    header = ("view", "read", "loaded", "late", "refused", "left out", "commits", "readable within")

    @property
    def followed(self) -> dict[str, dict[str, Any]]:
        """The outcome for the records of each view, by its name and version."""
        return {one["report"]["view"]: one["report"] for one in self.data["followed"]}

    @property
    def rows_loaded(self) -> int:
        """How many rows were loaded in all."""
        return sum(int(one["report"]["rows_loaded"]) for one in self.data["followed"])

    @property
    def caption(self) -> str:
        return f"{counted(self.rows_loaded, 'row')} of streams loaded"

    def rows(self) -> list[tuple[Any, ...]]:
        return [
            (
                one["report"]["view"],
                one["report"]["records"],
                one["report"]["rows_loaded"],
                one["report"]["late"],
                one["refused_rows"],
                one["left_out"],
                one["report"]["flushes"],
                None if one["readable_p99_us"] is None else f"{one['readable_p99_us'] / 1e6:.3g} s",
            )
            for one in self.data["followed"]
        ]

    def notes(self) -> list[str]:
        derived = [f"{one['view']}: {counted(one['rows_loaded'], 'row')} derived" for one in self.data["derived"]]
        read = [
            f"{view}: its topic is read by {report['read_by']}, which has committed all of it"
            for view, report in self.followed.items()
            if report.get("read_by")
        ]
        return read + derived + [
            f"{one['report']['view']}: {counted(rows, 'row')} refused: {reason.replace('_', ' ')}"
            for one in self.data["followed"]
            for reason, rows in one["report"]["refused"].items()
        ]


class Service(TableResult):
    """What a service takes and gives."""

    header = ("feature", "type")

    @property
    def name(self) -> str:
        """The version, as ``name@version``."""
        return str(self.data["service"])

    @property
    def hash(self) -> str:
        """The hash of everything that its features are computed by: what ``trained_on`` of a read takes."""
        return str(self.data["hash"])

    @property
    def keys(self) -> dict[str, str]:
        """The join keys that it takes, with their types."""
        return {one["name"]: one["type"] for one in self.data["keys"]}

    @property
    def request(self) -> dict[str, str]:
        """The request columns that it takes, with their types."""
        return {one["name"]: one["type"] for one in self.data["request"]}

    @property
    def features(self) -> dict[str, str]:
        """The features that it gives, with their types."""
        return {one["name"]: one["type"] for one in self.data["features"]}

    @property
    def caption(self) -> str:
        takes = ", ".join(f"{name} ({kind})" for name, kind in {**self.keys, **self.request}.items())
        return f"{self.name} takes {takes}"

    def rows(self) -> list[tuple[Any, ...]]:
        return list(self.features.items())


class Pushed(TableResult):
    """The outcome for rows that were pushed."""

    header = ("row", "refused because")

    @property
    def taken(self) -> int:
        """How many rows were taken. They are durable."""
        return int(self.data["rows"])

    @property
    def refused(self) -> dict[int, str]:
        """The rows that were refused, counted from 1, and why."""
        return {one["row"]: one["reason"] for one in self.data["refused"]}

    @property
    def filtered(self) -> dict[str, int]:
        """How many rows do not pass the ``where`` of a view, by view."""
        return dict(self.data["filtered"])

    @property
    def caption(self) -> str:
        return f"{counted(self.taken, 'row')} pushed into the topic `{self.data['topic']}`"

    def rows(self) -> list[tuple[Any, ...]]:
        return list(self.refused.items())

    def notes(self) -> list[str]:
        return [f"{view}: {counted(rows, 'row')} did not pass `where`" for view, rows in self.filtered.items()]
