"""Definitions in Python: builders with the keys of the YAML files, which write the same documents.

>>> airport = ts.Entity("airport", keys={"airport": "string"})
>>> print(airport.to_yaml(), end="")
kind: entity
name: airport
keys: {"airport": "string"}
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field, fields
from typing import Any, Mapping, Sequence, TypeAlias

from twinstore._errors import InputError
from twinstore._frames import columns_with_types
from twinstore._twinstore import column_names

#: A duration: text as in ``"7d"``, or a timedelta.
Duration: TypeAlias = "str | dt.timedelta"

_UNITS = (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1))


def _duration(span: dt.timedelta) -> str:
    micros = span // dt.timedelta(microseconds=1)
    if micros <= 0:
        raise InputError(f"{span} is not a duration: use one that is above zero")
    return next(f"{micros // size}{unit}" for unit, size in _UNITS if micros % size == 0)


def _plain(value: Any) -> Any:
    """A value as JSON holds it: builders become maps without the keys that are not given, or the names that they have."""
    if isinstance(value, dt.timedelta):
        return _duration(value)
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, Definition):
        return value.reference
    if isinstance(value, _Part):
        return value._keys()
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


class _Part:
    """Something with the keys of its fields. A field that ends in ``_`` is a key that is a word of Python."""

    def _keys(self) -> dict[str, Any]:
        given = ((one.name.rstrip("_"), getattr(self, one.name)) for one in fields(self))  # type: ignore[arg-type]
        return {name: _plain(value) for name, value in given if value is not None and value != {} and value != ()}


class Definition(_Part):
    """A definition: an entity, a source, a view or a service. Where another one names it, it may stand itself."""

    kind = ""
    name: str

    @property
    def reference(self) -> str:
        """What others name it by: ``name``, or ``name@version`` where it has versions."""
        version = getattr(self, "version", None)
        return self.name if version is None else f"{self.name}@{version}"

    def to_yaml(self) -> str:
        """The document of a definition file. The registry reads it as it reads one that was written by hand: what it
        computes has the same hash."""
        keys = {"kind": self.kind, **self._keys()}
        texts = []
        for key, value in keys.items():
            try:
                # JSON in one line is YAML.
                texts.append(f"{key}: {_scalar(value)}\n")
            except (TypeError, ValueError) as error:
                raise InputError(f"`{key}` of {self.kind} `{self.name}` cannot be written: {error}") from None
        return "".join(texts)

    def __str__(self) -> str:
        return self.to_yaml()


def _scalar(value: Any) -> str:
    is_name = isinstance(value, str) and value.replace("_", "a").isalnum() and value.isascii() and value[:1].isalpha()
    is_word = str(value).lower() in ("null", "true", "false", "yes", "no", "on", "off", "y", "n")
    if is_name and not is_word:
        return str(value)
    return json.dumps(value, ensure_ascii=False)


def to_yaml(*definitions: Definition) -> str:
    """Several definitions as the text of one file, to be written below ``features/``.

    >>> text = ts.to_yaml(ts.Entity("airport", keys={"airport": "string"}), ts.Entity("user", keys={"user": "int64"}))
    >>> text.count("---")
    1
    """
    for one in definitions:
        if not isinstance(one, Definition):
            raise InputError(
                f"a {type(one).__module__}.{type(one).__name__} is not a definition: build an Entity, a Source, a "
                "FeatureView, an OnDemandView or a FeatureService"
            )
    return "---\n".join(definition.to_yaml() for definition in definitions)


@dataclass(frozen=True)
class Column(_Part):
    """A column that lies in the files under another name, or that older files lack."""

    type: str
    column: str | None = None
    optional: bool | None = None


@dataclass(frozen=True)
class Sql(_Part):
    """A time that is computed from columns, as in ``Sql("to_timestamp_millis(ts)")``."""

    sql: str


@dataclass(frozen=True)
class Batch(_Part):
    """Where the history of a source lies: files under a path, or the rows of a query over Postgres."""

    path: str | None = None
    format: str | None = None
    sql: str | None = None
    connection: str | None = None
    cursor: str | None = None
    lookback: Duration | None = None


@dataclass(frozen=True)
class Stream(_Part):
    """Where the live rows of a source come from."""

    topic: str
    format: str
    from_: str | dt.datetime | None = None
    schema: str | None = None
    message: str | None = None


@dataclass(frozen=True)
class Latest(_Part):
    """The value of a SQL expression in the latest visible row."""

    latest: str
    unit: str | None = None
    default: Any = None
    freshness: Freshness | None = None
    description: str | None = None


@dataclass(frozen=True)
class Aggregate(_Part):
    """A function of the visible rows: ``Aggregate("mean(delay)", window="1d")``."""

    aggregate: str
    window: Duration | None = None
    hop: Duration | None = None
    unit: str | None = None
    default: Any = None
    freshness: Freshness | None = None
    description: str | None = None


@dataclass(frozen=True)
class Expression(_Part):
    """A SQL expression of an on-demand view."""

    expression: str
    unit: str | None = None
    default: Any = None
    description: str | None = None


@dataclass(frozen=True)
class Expectation(_Part):
    """What the rows of a view must satisfy."""

    column: str | None = None
    between: Sequence[Any] | None = None
    in_: Sequence[Any] | None = None
    matches: str | None = None
    not_null: bool | None = None
    sql: str | None = None
    unique: bool | str | None = None
    rows: Mapping[str, float] | None = None
    newest_within: Duration | None = None
    stage: str | None = None
    name: str | None = None
    on_failure: str | None = None
    severity: str | None = None


@dataclass(frozen=True)
class Freshness(_Part):
    """A freshness objective: within what time, and for how much of the time, in percent."""

    target: float
    objective: Duration | None = None


@dataclass(frozen=True)
class Retention(_Part):
    """How long the rows of a view are kept."""

    online: Duration | None = None
    offline: Duration | None = None


@dataclass(frozen=True)
class Breaker(_Part):
    """When readers are kept from what a view's rows give, and what they get instead."""

    answers: str | None = None
    features: Sequence[str] | None = None
    bad_share: float | None = None
    drift: float | None = None
    skew: float | None = None
    stale: Duration | None = None
    window: Duration | None = None
    min_rows: int | None = None
    close_after: Duration | None = None


@dataclass(frozen=True)
class Input(_Part):
    """The view whose rows a derived view reads."""

    view: str | FeatureView


@dataclass(frozen=True)
class Take(_Part):
    """A choice of the features of one view, in one role, under one prefix."""

    from_: str | FeatureView | OnDemandView
    on: Mapping[str, str] = field(default_factory=dict)
    take: Sequence[str] = ()
    prefix: str | None = None


@dataclass(frozen=True)
class Consumer(_Part):
    """Who reads a service."""

    model: str
    owner: str | None = None
    freshness: Freshness | None = None


@dataclass(frozen=True)
class Entity(Definition):
    """What features describe, by its join keys and their types."""

    name: str
    keys: Mapping[str, str]
    owner: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    kind = "entity"


@dataclass(frozen=True)
class Source(Definition):
    """Where rows come from, and what their columns and times are."""

    name: str
    schema: Mapping[str, str | Column]
    event_time: str | Sql | None = None
    available_at: str | Sql | None = None
    assumed_delay: Duration | None = None
    allowed_lateness: Duration | None = None
    max_ahead: Duration | None = None
    batch: Batch | None = None
    stream: Stream | None = None
    owner: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    kind = "source"

    @classmethod
    def infer(cls, frame: Any, name: str, **keys: Any) -> Source:
        """A source whose columns are those of a frame of pandas, polars or pyarrow, with their types. The other keys are as
        they are given: where its files lie, and which column says when a row happened.

        A column that no definition can name, as ``userId``, is named as ``twinstore init --from`` names it, and declared as
        the :class:`Column` that the files have: ``{"user_id": Column("int64", column="userId")}``. ``event_time`` and
        ``available_at`` may be either name.

        >>> rides = pandas.DataFrame({"at": pandas.to_datetime(["2026-01-01"]), "driver": ["a"], "fare": [7.5]})
        >>> source = ts.Source.infer(rides, "rides", event_time="at", batch=ts.Batch("rides.parquet"))
        >>> source.schema
        {'at': 'timestamp', 'driver': 'string', 'fare': 'float64'}
        """
        found = columns_with_types(frame)
        named = dict(zip(found, column_names(list(found))))
        schema: dict[str, str | Column] = {
            named[stored]: kind if named[stored] == stored else Column(kind, column=stored)
            for stored, kind in found.items()
        }
        for key in ("event_time", "available_at"):
            if isinstance(keys.get(key), str) and keys[key] not in schema:
                keys[key] = named.get(keys[key], keys[key])
        return cls(name=name, schema=schema, **keys)


@dataclass(frozen=True)
class FeatureView(Definition):
    """Folds over the rows of one source, or of another view, for one entity."""

    name: str
    version: int
    entity: str | Entity
    source: str | Source | Input
    features: Mapping[str, Latest | Aggregate]
    keys: Mapping[str, str] = field(default_factory=dict)
    where: str | None = None
    ttl: Duration | None = None
    expect: Sequence[Expectation] = ()
    max_bad_share: float | None = None
    retention: Retention | None = None
    freshness: Freshness | None = None
    breaker: Breaker | None = None
    expect_change: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    owner: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    kind = "feature_view"


@dataclass(frozen=True)
class OnDemandView(Definition):
    """Expressions over features and what a request brings, computed when they are read."""

    name: str
    version: int
    features: Mapping[str, Expression]
    request: Mapping[str, str] = field(default_factory=dict)
    inputs: Sequence[Take] = ()
    expect_change: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    owner: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    kind = "on_demand_view"


@dataclass(frozen=True)
class FeatureService(Definition):
    """The features that one model reads, in training and in serving."""

    name: str
    version: int
    features: Sequence[Take]
    consumer: Consumer | None = None
    expect_change: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    owner: str | None = None
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    kind = "feature_service"
