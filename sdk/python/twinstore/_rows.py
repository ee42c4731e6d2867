"""What reads and pushes take, from dicts and from frames: columns by name, and rows as lines of JSON."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Sequence

from twinstore import _frames
from twinstore._errors import InputError
from twinstore._values import moment, plain, time_text


@dataclass(frozen=True)
class Entities:
    """The entities of a read."""

    #: Their columns, by name.
    columns: dict[str, Any]
    #: Whether it is one entity, given as values and not as lists.
    single: bool = False
    #: Whether there may be columns that are not read.
    others: bool = False
    #: The index of pandas that they have.
    index: Any = None


def entity_columns(entities: Any) -> Entities:
    """The entities of a read: a dict of values or of columns, dicts, or a frame."""
    if isinstance(entities, (list, tuple)):
        return Entities(columns_of_rows(entities))
    if not isinstance(entities, Mapping):
        frame = _frames.adapter(entities, "pass a dict, a list of dicts, or a frame of pandas, polars or pyarrow")
        columns: dict[str, Any] = {name: LazyColumn(frame, name) for name in frame.readable}
        return Entities(columns, others=True, index=frame.index)
    lists = {name: as_list(value) for name, value in entities.items()}
    single = all(value is None for value in lists.values())
    if single:
        return Entities({str(name): [value] for name, value in entities.items()}, single=True)
    scalars = [name for name, value in lists.items() if value is None]
    if scalars:
        raise InputError(f"`{scalars[0]}` is one value and other columns are lists: give a list of it, too")
    return Entities({str(name): value for name, value in lists.items()}, index=common_index(entities.values()))


def columns_of_rows(rows: Sequence[Any]) -> dict[str, Any]:
    """Entities that are a dict each, as columns. All of them have the same keys."""
    if not rows:
        raise InputError("the list of entities is empty: leave the read out, or pass a dict of empty columns")
    listed = as_rows(rows)
    assert isinstance(listed, list)
    names = dict.fromkeys(name for row in listed for name in row)
    for number, row in enumerate(listed, 1):
        missing = [name for name in names if name not in row]
        if missing:
            raise InputError(f"row {number} has no `{missing[0]}`, and other rows have: give each entity the same keys")
    return {str(name): [row[name] for row in listed] for name in names}


def common_index(columns: Iterable[Any]) -> Any:
    """The index of columns that are series of pandas; none where they have several."""
    indexes = [column.index for column in columns if is_of(column, "pandas", "Series")]
    return indexes[0] if indexes and all(index.equals(indexes[0]) for index in indexes) else None


def is_of(value: Any, library: str, kind: str) -> bool:
    """Whether a value is of a class of a library that may not be imported."""
    return any(one.__module__.split(".")[0] == library and one.__name__ == kind for one in type(value).__mro__)


class LazyColumn:
    """A column of a frame that leaves it only where it is read."""

    def __init__(self, frame: _frames.Frame, name: str) -> None:
        self.frame = frame
        self.name = name

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        if self.frame.names.count(self.name) > 1:
            raise InputError(f"there are several columns named `{self.name}`: leave one of them")
        table = _frames.library_of("pyarrow", "a frame of entities").table(self.frame.select([self.name]))
        return table.column(0).__arrow_c_stream__(requested_schema)


def as_list(value: Any) -> Any:
    """A column as a list or as Arrow data; none where it is one value."""
    if isinstance(value, (list, tuple, range)):
        return list(value)
    if isinstance(value, (str, bytes, bytearray, Mapping)):
        return None
    library = type(value).__module__.split(".")[0]
    if library == "numpy" and getattr(value, "ndim", 0) > 0:
        return value.tolist() if value.dtype.kind not in "mM" else list(value)
    # A series, an index, or an array such as a Categorical.
    if library == "pandas" and hasattr(value, "tolist") and hasattr(value, "isna"):
        return [None if gone else item for item, gone in zip(value.tolist(), value.isna())]
    if hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__"):
        return value
    if library != "numpy" and hasattr(value, "__len__"):
        raise InputError(
            f"a {type(value).__module__}.{type(value).__name__} is neither one value nor a column of them: pass a list or an array"
        )
    return None


def as_rows(rows: Any) -> "list[Any] | _frames.Frame":
    """Rows as dicts, or the frame that has them."""
    if isinstance(rows, Mapping):
        raise InputError("rows are a list of dicts or a frame: put this one into a list")
    if isinstance(rows, (str, bytes)):
        raise InputError("rows are a list of dicts or a frame, and not a text")
    if not isinstance(rows, Iterable) or hasattr(rows, "__arrow_c_stream__") or "DataFrame" in type(rows).__name__:
        return _frames.adapter(rows)
    listed = list(rows)
    for number, row in enumerate(listed, 1):
        if not isinstance(row, Mapping):
            raise InputError(f"row {number} is a {type(row).__name__}: a row is a dict of columns by name")
    return listed


def lines(rows: Any) -> bytes:
    """Rows as JSON objects, one on each line."""
    listed = as_rows(rows)
    if not isinstance(listed, list):
        table = _frames.library_of("pyarrow", "a frame of rows").table(listed.select(listed.names))
        listed = table.to_pylist()
    text = []
    for number, row in enumerate(listed, 1):
        try:
            text.append(json.dumps(finite(row), default=json_value, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise InputError(f"row {number} cannot be pushed: {error}") from None
    return "\n".join(text).encode()


def finite(value: Any) -> Any:
    """The same, with NaN and the infinities as the texts that JSON has for them."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {str(name): finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(item) for item in value]
    return value


def json_value(value: Any) -> Any:
    """A value that JSON does not have."""
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode()
    kind, value = plain(value)
    return time_text(moment(value)) if kind == "moment" else finite(value)
