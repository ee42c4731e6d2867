"""The features of an online read."""

from __future__ import annotations

import datetime as dt
from typing import Any

from twinstore import _frames, _twinstore
from twinstore._tables import html_table, shown, text_table
from twinstore._values import moment


class Features:
    """The features of one entity, or of several, at one moment.

    Of one entity each value is a scalar; of several it is a list, in the order of the request.

    >>> read = store.features("late_arrival", {"dest": "LAX"})
    >>> read.to_dict()
    {'last_delay': 4.5, 'arrivals_1h': 0}
    >>> read.statuses
    {'last_delay': 'PRESENT', 'arrivals_1h': 'PRESENT'}
    """

    def __init__(self, read: _twinstore.Features, single: bool, index: Any = None) -> None:
        self._read = read
        self._single = single
        self._index = index

    @property
    def service(self) -> str:
        """The version of the service that was read, as ``name@version``."""
        return self._read.service

    @property
    def at(self) -> dt.datetime:
        """The moment of the read."""
        return moment(self._read.at_us)

    @property
    def names(self) -> list[str]:
        """The names of the features, in the service's order."""
        return self._read.names

    def __len__(self) -> int:
        return self._read.rows

    def __getitem__(self, name: str) -> Any:
        return self.to_dict()[name]

    def to_dict(self) -> dict[str, Any]:
        """The values of each feature."""
        return self._each(self._read.values())

    @property
    def statuses(self) -> dict[str, Any]:
        """Why each value is what it is: ``PRESENT``, ``NULL_VALUE``, ``NOT_FOUND`` or ``OUTSIDE_MAX_AGE``;
        ``LAST_KNOWN_GOOD`` or ``BREAKER_OPEN`` while its circuit breaker is open."""
        return self._each(self._read.statuses())

    @property
    def event_times(self) -> dict[str, Any]:
        """When the latest row of each entity happened; ``None`` where there is none."""
        return self._times(lambda times: moment(times[0]))

    @property
    def available_at(self) -> dict[str, Any]:
        """From when on that row could be read."""
        return self._times(lambda times: moment(times[1]))

    @property
    def ages(self) -> dict[str, Any]:
        """How old that row is, in seconds."""
        return self._times(lambda times: times[2])

    def to_arrow(self, details: bool = False) -> Any:
        """The features as a table of pyarrow; with ``details`` each as a struct of value, status and times."""
        return _frames.library_of("pyarrow", "to_arrow()").table(self._read.table(details))

    def to_pandas(self) -> Any:
        """The features as a frame of pandas: integers and truth values in its nullable types. Where the entities were a frame
        of pandas, or its columns, they keep its index, so that ``frame.join(…)`` puts each row beside its own entity."""
        features = _frames.to_pandas(self._read.table(False))
        if self._index is not None:
            features.index = self._index
        return features

    def to_polars(self, details: bool = False) -> Any:
        """The features as a frame of polars; with ``details`` each as a struct of value, status and times."""
        return _frames.library_of("polars", "to_polars()").DataFrame(self._read.table(details))

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._read.table(False).__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        return f"{self._caption()}\n{text_table(*self._table())}"

    def _repr_html_(self) -> str:
        return html_table(self._caption(), *self._table())

    def _caption(self) -> str:
        entities = "" if self._single else f", {len(self):,} entities"
        return f"{self.service} at {self.at.isoformat()}{entities}"

    def _table(self) -> tuple[list[str], list[list[Any]]]:
        values = self._read.values()
        if not self._single:
            most = 10
            rows = [[values[name][row] for name in self.names] for row in range(min(most, len(self)))]
            return self.names, rows + ([["…"] * len(self.names)] if len(self) > most else [])
        statuses, times, ages = self._read.statuses(), self.event_times, self.ages
        rows = [
            [name, shown(values[name][0]), statuses[name][0], times[name] and times[name].isoformat(), ages[name]]
            for name in self.names
        ]
        return ["feature", "value", "status", "event time", "age in seconds"], rows

    def _each(self, columns: dict[str, list[Any]]) -> dict[str, Any]:
        if self._single:
            return {name: values[0] for name, values in columns.items()}
        return columns

    def _times(self, of: Any) -> dict[str, Any]:
        columns = {name: self._read.times(name) for name in self.names}
        return self._each({name: [times and of(times) for times in column] for name, column in columns.items()})
