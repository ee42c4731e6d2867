"""Checks of pandera and Great Expectations as the ``expect:`` of a feature view.

What a view can check of a row or a file is carried over. What it cannot is listed with the reason, so that nothing is lost
without a word.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from typing import Any, Callable, Iterable, Mapping, NamedTuple

from twinstore._definitions import Expectation
from twinstore._errors import InputError
from twinstore._results import TableResult
from twinstore._tables import counted

#: Parts of a regular expression that Python has, and the linear-time expressions of definitions do not.
_PYTHON_ONLY = re.compile(r"\(\?(?:=|!|<=|<!|P=|\()|\\[1-9]|\\[ZA]")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class LeftOut(NamedTuple):
    """A check that was not carried over."""

    what: str
    why: str


class Carried(TableResult):
    """What was carried over, and what was not.

    ``expect`` goes into :class:`twinstore.FeatureView`, or ``to_yaml()`` into a view of a definition file.
    """

    header = ("check", "carried over as", "left out because")

    def __init__(self, carried: Iterable[tuple[str, Expectation]], left_out: Iterable[LeftOut]) -> None:
        self.carried = list(carried)
        #: The expectations, for a view that is defined in Python.
        self.expect = [expectation for _, expectation in self.carried]
        #: What was not carried over, and why.
        self.left_out = list(left_out)
        super().__init__({"expect": [one._keys() for one in self.expect], "left_out": [one._asdict() for one in self.left_out]})

    def to_yaml(self) -> str:
        """The key ``expect`` of a view, as text for its definition file."""
        if not self.expect:
            return "expect: []\n"
        return "expect:\n" + "".join(f"  - {json.dumps(one._keys(), ensure_ascii=False)}\n" for one in self.expect)

    @property
    def caption(self) -> str:
        return f"{counted(len(self.expect), 'check')} carried over, {counted(len(self.left_out), 'check')} left out"

    def rows(self) -> list[tuple[Any, ...]]:
        carried = [(what, json.dumps(one._keys(), ensure_ascii=False), "") for what, one in self.carried]
        return [*carried, *((one.what, "", one.why) for one in self.left_out)]


class _Unlike(Exception):
    """A check that no expectation is like; its text says why."""


def from_pandera(schema: Any) -> Carried:
    """The checks of a pandera ``DataFrameSchema`` or ``DataFrameModel``.

    Types are not among them: they stand in the ``schema`` of the source.
    """
    if hasattr(schema, "to_schema"):
        schema = schema.to_schema()
    if not hasattr(schema, "columns") or not hasattr(schema, "checks"):
        raise InputError(f"a {type(schema).__name__} is not a pandera schema: pass a DataFrameSchema or a DataFrameModel")
    reading = _Reading()
    for name, column in schema.columns.items():
        if column.regex:
            reading.leave(f"{name}", "it is of every column whose name matches: name each column")
            continue
        if not column.nullable:
            reading.read(f"{name}: not nullable", lambda: Expectation(column=column_name(name), not_null=True))
        if column.unique:
            reading.leave(f"{name}: unique", _UNIQUE)
        for check in column.checks:
            reading.read(f"{name}: {check.name}", lambda: _of_pandera(name, check))
    for check in schema.checks:
        reading.leave(f"{check.name or 'a check'} of the frame", _FUNCTION)
    if schema.unique:
        reading.leave(f"unique: {', '.join(schema.unique)}", _UNIQUE)
    return reading.carried()


def from_great_expectations(suite: Any) -> Carried:
    """The expectations of a suite of Great Expectations: an ``ExpectationSuite``, or what its ``to_json_dict()`` gives, as a
    dict or as the text of its file."""
    if isinstance(suite, (str, bytes)):
        suite = json.loads(suite)
    if hasattr(suite, "to_json_dict"):
        suite = suite.to_json_dict()
    if not isinstance(suite, Mapping) or "expectations" not in suite:
        raise InputError(f"a {type(suite).__name__} is not a suite: pass an ExpectationSuite, or its dict or text of JSON")
    reading = _Reading()
    for one in suite["expectations"]:
        # Suites that were written before version 1 call it `expectation_type`.
        kind = str(one.get("type") or one.get("expectation_type"))
        kwargs = {key: value for key, value in one.get("kwargs", {}).items() if value is not None}
        of = kwargs.get("column") or ", ".join(kwargs.get("column_list", ())) or kwargs.get("column_A") or "the table"
        warns = str(one.get("severity", "")).lower() in ("warning", "info")
        reading.read(f"{of}: {kind}", lambda: _of_great_expectations(kind, kwargs, warns))
    return reading.carried()


_UNIQUE = "a view checks that no entity has two rows of one event time in a file, as `unique: true`, and no other columns"
_FUNCTION = "it is a function of Python, which no load runs: write it as `sql`, where it has an expression"


class _Reading:
    """What was read of a schema or suite so far."""

    def __init__(self) -> None:
        self._carried: list[tuple[str, Expectation]] = []
        self._left_out: list[LeftOut] = []

    def read(self, what: str, expectation: Callable[[], Expectation]) -> None:
        try:
            self._carried.append((what, expectation()))
        except _Unlike as unlike:
            self.leave(what, str(unlike))

    def leave(self, what: str, why: str) -> None:
        self._left_out.append(LeftOut(what, why))

    def carried(self) -> Carried:
        return Carried(self._carried, self._left_out)


def _of_pandera(name: str, check: Any) -> Expectation:
    if not check.ignore_na:
        raise _Unlike("null passes each condition of a row: add a check that the column is not null")
    builder = _PANDERA.get(str(check.name))
    if builder is None or not check.statistics:
        raise _Unlike(_FUNCTION)
    column = column_name(name)
    return _with_failure(builder(column, dict(check.statistics)), bool(check.raise_warning))


def _of_great_expectations(kind: str, kwargs: dict[str, Any], warns: bool) -> Expectation:
    if kwargs.get("row_condition"):
        raise _Unlike("it is of some rows only: write it as `sql`, with the condition in it")
    if kwargs.get("mostly", 1) < 1:
        raise _Unlike("it holds for a share of the rows only: `max_bad_share` of the view bounds how many may fail")
    builder = _GREAT_EXPECTATIONS.get(kind)
    if builder is None:
        raise _Unlike(_ELSEWHERE.get(kind, "no expectation of a view says this"))
    return _with_failure(builder(kwargs), warns)


def _with_failure(keys: dict[str, Any], warns: bool) -> Expectation:
    return Expectation(**keys, on_failure="warn" if warns else None)


def column_name(name: Any) -> str:
    """The name of a column, where a source may have it."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise _Unlike(f"`{name}` is no name of a column of a source: give it one there, `name: {{type: …, column: …}}`")
    return name


def literal(value: Any) -> str:
    """A value as SQL has it."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)) and math.isfinite(value):
        return repr(value)
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    if isinstance(value, dt.datetime):
        return f"to_timestamp('{value.isoformat()}')"
    raise _Unlike(f"{value!r} is no value that an expression of a view has")


def plain(value: Any) -> Any:
    """A value as a definition has it."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, (bool, int, str)) or isinstance(value, float) and math.isfinite(value):
        return value
    raise _Unlike(f"{value!r} is no value that a definition has")


def regex(pattern: Any, anchored: bool = False) -> str:
    """A regular expression that means the same here; ``anchored`` at the beginning of the text."""
    text = getattr(pattern, "pattern", pattern)
    found = _PYTHON_ONLY.search(text)
    if found:
        raise _Unlike(f"`{found[0]}` in its expression looks around or back, which an expression of a view does not")
    return f"^(?:{text})" if anchored else str(text)


def bounds(column: str, low: Any, high: Any, with_low: bool = True, with_high: bool = True) -> dict[str, Any]:
    """A range, where either end may be missing or left out."""
    if low is None and high is None:
        raise _Unlike("it has no bound")
    if low is not None and high is not None and with_low and with_high:
        return {"column": column, "between": [plain(low), plain(high)]}
    parts = []
    if low is not None:
        parts.append(f"{column} {'>=' if with_low else '>'} {literal(low)}")
    if high is not None:
        parts.append(f"{column} {'<=' if with_high else '<'} {literal(high)}")
    return {"sql": " AND ".join(parts)}


def values(column: str, allowed: Iterable[Any], negated: bool = False) -> dict[str, Any]:
    """A list of values that a column has, or has not."""
    # Sets have no order, and a definition is the same text each time.
    listed = sorted(allowed, key=lambda value: (str(type(value)), value)) if isinstance(allowed, (set, frozenset)) else list(allowed)
    if negated:
        return {"sql": f"{column} NOT IN ({', '.join(literal(one) for one in listed)})"}
    return {"column": column, "in_": [plain(one) for one in listed]}


def lengths(column: str, low: Any, high: Any) -> dict[str, Any]:
    """How many characters a text has."""
    return bounds(f"char_length({column})", low, high) if low is None or high is None else {
        "sql": f"char_length({column}) BETWEEN {literal(low)} AND {literal(high)}"
    }


_PANDERA: dict[str, Callable[[str, dict[str, Any]], dict[str, Any]]] = {
    "equal_to": lambda column, of: {"sql": f"{column} = {literal(of['value'])}"},
    "not_equal_to": lambda column, of: {"sql": f"{column} <> {literal(of['value'])}"},
    "greater_than": lambda column, of: bounds(column, of["min_value"], None, with_low=False),
    "greater_than_or_equal_to": lambda column, of: bounds(column, of["min_value"], None),
    "less_than": lambda column, of: bounds(column, None, of["max_value"], with_high=False),
    "less_than_or_equal_to": lambda column, of: bounds(column, None, of["max_value"]),
    "in_range": lambda column, of: bounds(
        column, of["min_value"], of["max_value"], of.get("include_min", True), of.get("include_max", True)
    ),
    "isin": lambda column, of: values(column, of["allowed_values"]),
    "notin": lambda column, of: values(column, of["forbidden_values"], negated=True),
    "str_matches": lambda column, of: {"column": column, "matches": regex(of["pattern"], anchored=True)},
    "str_contains": lambda column, of: {"column": column, "matches": regex(of["pattern"])},
    "str_startswith": lambda column, of: {"sql": f"starts_with({column}, {literal(of['string'])})"},
    "str_endswith": lambda column, of: {"sql": f"ends_with({column}, {literal(of['string'])})"},
    "str_length": lambda column, of: lengths(
        column, of.get("exact_value") or of["min_value"], of.get("exact_value") or of["max_value"]
    ),
}


def _column(build: Callable[[str, dict[str, Any]], dict[str, Any]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda of: build(column_name(of["column"]), of)


def _least_rows(of: dict[str, Any]) -> dict[str, Any]:
    if "max_value" in of:
        raise _Unlike("a file has no most rows: `rows` has `least` and `of_last_week`")
    return {"rows": {"least": of["min_value"]}}


def _greater_than(of: dict[str, Any]) -> dict[str, Any]:
    left, right = column_name(of["column_A"]), column_name(of["column_B"])
    return {"sql": f"{left} {'>=' if of.get('or_equal') else '>'} {right}"}


_GREAT_EXPECTATIONS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "expect_column_values_to_not_be_null": _column(lambda column, of: {"column": column, "not_null": True}),
    "expect_column_values_to_be_null": _column(lambda column, of: {"sql": f"{column} IS NULL"}),
    "expect_column_values_to_be_between": _column(
        lambda column, of: bounds(
            column, of.get("min_value"), of.get("max_value"), not of.get("strict_min"), not of.get("strict_max")
        )
    ),
    "expect_column_values_to_be_in_set": _column(lambda column, of: values(column, of["value_set"])),
    "expect_column_values_to_not_be_in_set": _column(lambda column, of: values(column, of["value_set"], negated=True)),
    "expect_column_values_to_match_regex": _column(lambda column, of: {"column": column, "matches": regex(of["regex"])}),
    "expect_column_values_to_not_match_regex": _column(
        lambda column, of: {"sql": f"NOT regexp_like({column}, {literal(regex(of['regex']))})"}
    ),
    "expect_column_value_lengths_to_be_between": _column(
        lambda column, of: lengths(column, of.get("min_value"), of.get("max_value"))
    ),
    "expect_column_value_lengths_to_equal": _column(lambda column, of: lengths(column, of["value"], of["value"])),
    "expect_column_pair_values_a_to_be_greater_than_b": _greater_than,
    "expect_table_row_count_to_be_between": _least_rows,
}

#: What is said elsewhere.
_ELSEWHERE = {
    "expect_column_to_exist": "the columns stand in the `schema` of the source",
    "expect_column_values_to_be_of_type": "the types stand in the `schema` of the source",
    "expect_column_values_to_be_in_type_list": "the types stand in the `schema` of the source",
    "expect_table_columns_to_match_set": "the columns stand in the `schema` of the source",
    "expect_table_columns_to_match_ordered_list": "the columns stand in the `schema` of the source",
    "expect_column_values_to_be_unique": _UNIQUE,
    "expect_compound_columns_to_be_unique": _UNIQUE,
    **{
        f"expect_column_{figure}_to_be_between": "what a column holds as a whole is watched by `quality` and `drift`"
        for figure in ("mean", "median", "stdev", "sum", "min", "max", "unique_value_count", "proportion_of_unique_values")
    },
    "expect_column_quantile_values_to_be_between": "what a column holds as a whole is watched by `quality` and `drift`",
    "expect_column_kl_divergence_to_be_less_than": "what a column holds as a whole is watched by `quality` and `drift`",
}
