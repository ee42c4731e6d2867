"""Frames of pandas, polars and pyarrow as the columns that a join reads, and with the columns that it adds.

No library is imported before a frame of it is given. A frame keeps its own columns, index and types: only the columns that
are read leave it, and only new ones come back.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any, Sequence

from twinstore._errors import InputError


def adapter(
    frame: Any, advice: str = "pass one of pandas, polars or pyarrow, or a file's path"
) -> "Frame":
    """The adapter for a frame, by the library that it is of. ``advice`` ends the message where it is none."""
    for kind in type(frame).__mro__:
        library = kind.__module__.split(".")[0]
        if library == "pandas" and kind.__name__ == "DataFrame":
            return PandasFrame(frame)
        if library == "polars" and kind.__name__ == "DataFrame":
            return PolarsFrame(frame)
        if library == "polars" and kind.__name__ == "LazyFrame":
            return PolarsFrame(frame.collect())
        if library == "pyarrow" and kind.__name__ in ("Table", "RecordBatch", "RecordBatchReader"):
            return ArrowFrame(frame, kind.__name__)
    named = f"a {type(frame).__module__}.{type(frame).__name__}"
    if type(frame).__name__ == "Series":
        raise InputError(f"{named} is one column or one row and not a frame: {advice}")
    if hasattr(frame, "__arrow_c_stream__"):
        pyarrow = library_of("pyarrow", "this frame")
        try:
            return ArrowFrame(pyarrow.table(frame), "Table")
        except (pyarrow.ArrowException, TypeError, ValueError) as error:
            raise InputError(f"{named} is not read as a frame ({str(error).splitlines()[0]}): {advice}") from None
    raise InputError(f"{named} is not a frame: {advice}")


def library_of(name: str, what: str) -> Any:
    """A library, imported; refused in a sentence where it is not installed."""
    try:
        return sys.modules.get(name) or importlib.import_module(name)
    except ImportError:
        package = name.split(".")[0]
        raise InputError(f"{what} needs {package}, which is not installed: `pip install {package}`") from None


class Frame:
    """A frame of some library."""

    names: list[str]
    #: The index of pandas that it has.
    index: Any = None

    @property
    def readable(self) -> list[str]:
        """The names of what may be read: its columns, and of pandas levels of its index."""
        return self.names

    def has(self, name: str) -> bool:
        """Whether there is a column of this name to read."""
        return name in self.names

    def select(self, names: Sequence[str], time: str | None = None) -> Any:
        """These columns, as something that exports Arrow data; `time` is read as moments."""
        raise NotImplementedError

    def with_columns(self, added: Any, summary: dict[str, Any]) -> Any:
        """The frame with these columns behind its own."""
        raise NotImplementedError

    def needed(self, names: Sequence[str], what: dict[str, str]) -> None:
        """Refuses a frame that lacks one of these columns, or has one twice."""
        missing = [f"`{name}`, {what[name]}" for name in names if not self.has(name)]
        if missing:
            columns = ", ".join(self.names) or "none"
            raise InputError(f"the spine has no column {' and no column '.join(missing)}: its columns are {columns}")
        twice = sorted({name for name in names if self.names.count(name) > 1})
        if twice:
            raise InputError(
                f"the spine has several columns named `{twice[0]}`: leave one of them, or rename the others"
            )


class ArrowFrame(Frame):
    """A table, a batch or a stream of batches of pyarrow."""

    def __init__(self, frame: Any, kind: str) -> None:
        pyarrow = library_of("pyarrow", "a pyarrow frame")
        self.kind = kind
        if kind == "RecordBatch":
            frame = pyarrow.Table.from_batches([frame])
        elif kind == "RecordBatchReader":
            frame = frame.read_all()
        self.table = frame
        self.names = list(frame.column_names)

    def select(self, names: Sequence[str], time: str | None = None) -> Any:
        return self.table.select(list(names))

    def with_columns(self, added: Any, summary: dict[str, Any]) -> Any:
        from twinstore._summaries import to_metadata

        table = self.table
        new = library_of("pyarrow", "a pyarrow frame").table(added)
        for field, column in zip(new.schema, new.columns):
            table = table.append_column(field, column)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **to_metadata(summary)})
        if self.kind == "RecordBatchReader":
            return table.to_reader()
        if self.kind == "RecordBatch":
            batches = table.combine_chunks().to_batches()
            if batches:
                return batches[0]
            return library_of("pyarrow", "a pyarrow frame").RecordBatch.from_pylist([], schema=table.schema)
        return table


class PolarsFrame(Frame):
    """A frame of polars."""

    def __init__(self, frame: Any) -> None:
        self.frame = frame
        self.names = list(frame.columns)

    def select(self, names: Sequence[str], time: str | None = None) -> Any:
        objects = [name for name in names if str(self.frame.schema[name]) == "Object"]
        if objects:
            raise InputError(f"the column `{objects[0]}` holds Python objects: cast it to a type of polars")
        return self.frame.select(list(names))

    def with_columns(self, added: Any, summary: dict[str, Any]) -> Any:
        from twinstore._summaries import attach

        polars = library_of("polars", "a polars frame")
        return attach(self.frame.hstack(polars.DataFrame(added)), summary)


class PandasFrame(Frame):
    """A frame of pandas. A level of its index is read as a column where no column has its name."""

    def __init__(self, frame: Any) -> None:
        if frame.columns.nlevels > 1:
            raise InputError("the spine's columns have several levels: flatten them to one name each")
        self.frame = frame
        self.names = [str(name) for name in frame.columns]
        self.index = frame.index
        self.levels = [str(name) for name in frame.index.names if name is not None]

    @property
    def readable(self) -> list[str]:
        return [*self.names, *(level for level in self.levels if level not in self.names)]

    def has(self, name: str) -> bool:
        return name in self.names or name in self.levels

    def select(self, names: Sequence[str], time: str | None = None) -> Any:
        pyarrow = library_of("pyarrow", "a pandas frame")
        return pyarrow.table({name: self.array(name, name == time) for name in names})

    def array(self, name: str, is_time: bool) -> Any:
        """A column as Arrow data."""
        pyarrow = library_of("pyarrow", "a pandas frame")
        if name in self.names:
            column = self.frame.iloc[:, self.names.index(name)]
        else:
            column = self.frame.index.get_level_values(name).to_series()
        if is_time and column.dtype == object:
            column = moments(name, column)
        try:
            array = pyarrow.Array.from_pandas(column)
        except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as error:
            why = str(error).splitlines()[0]
            raise InputError(
                f"the column `{name}` is no column of one type ({why}): convert it, as with `.astype(…)`"
            ) from None
        return array

    def with_columns(self, added: Any, summary: dict[str, Any]) -> Any:
        pandas = library_of("pandas", "a pandas frame")
        new = to_pandas(added)
        new.index = self.frame.index
        result = pandas.concat([self.frame, new], axis=1)
        result.attrs = {**self.frame.attrs, "twinstore": summary}
        return result


def columns_with_types(frame: Any) -> dict[str, str]:
    """The columns of a frame, each with the type that definitions call it by."""
    given = adapter(frame, "pass one of pandas, polars or pyarrow")
    twice = [name for name in given.names if given.names.count(name) > 1]
    if twice:
        raise InputError(f"there are several columns named `{twice[0]}`: leave one of them, or rename the others")
    pyarrow = library_of("pyarrow", "this frame")
    schema = pyarrow.table(given.select(given.names)).schema
    found: dict[str, str] = {}
    for column in schema:
        kind = type_name(pyarrow, column.type)
        if kind is None:
            raise InputError(
                f"the column `{column.name}` is {column.type}, which no definition has: leave it out, or convert it"
            )
        found[column.name] = kind
    return found


def type_name(pyarrow: Any, kind: Any) -> str | None:
    """The type of a definition that holds all values of an Arrow type."""
    are = pyarrow.types
    if are.is_dictionary(kind):
        return type_name(pyarrow, kind.value_type)
    if are.is_list(kind) or are.is_large_list(kind) or are.is_fixed_size_list(kind):
        item = type_name(pyarrow, kind.value_type)
        length = f"[{kind.list_size}]" if are.is_fixed_size_list(kind) else ""
        return None if item is None or item.startswith("list") else f"list<{item}>{length}"
    names = (
        (are.is_boolean, "bool"),
        (lambda kind: are.is_integer(kind) and kind.bit_width < 32 or kind in (pyarrow.int32(),), "int32"),
        (are.is_integer, "int64"),
        (lambda kind: are.is_floating(kind) and kind.bit_width <= 32, "float32"),
        (lambda kind: are.is_floating(kind) or are.is_decimal(kind), "float64"),
        (lambda kind: are.is_string(kind) or are.is_large_string(kind) or are.is_string_view(kind), "string"),
        (lambda kind: are.is_binary(kind) or are.is_large_binary(kind), "bytes"),
        (lambda kind: are.is_timestamp(kind) or are.is_date(kind), "timestamp"),
    )
    return next((name for holds, name in names if holds(kind)), None)


def moments(name: str, column: Any) -> Any:
    """A column of datetime objects as moments: all with a zone, or all without one."""
    import datetime as dt

    values = [value for value in column if isinstance(value, dt.datetime) and value == value]
    zoned = [value for value in values if value.tzinfo is not None]
    if zoned and len(zoned) < len(values):
        raise InputError(
            f"the time column `{name}` has times with a zone and times without one: give all of them a zone, as with "
            f"`pandas.to_datetime(frame[{name!r}], utc=True)`"
        )
    if zoned:
        return library_of("pandas", "a pandas frame").to_datetime(column, utc=True)
    return column


def to_pandas(data: Any) -> Any:
    """Arrow data as a frame of pandas. Integers and truth values have pandas' own nullable types, so that none of them
    becomes a float; a float that is null is NaN."""
    pyarrow = library_of("pyarrow", "a pandas frame")
    pandas = library_of("pandas", "a pandas frame")
    types = {
        pyarrow.int32(): pandas.Int32Dtype(),
        pyarrow.int64(): pandas.Int64Dtype(),
        pyarrow.bool_(): pandas.BooleanDtype(),
    }
    return pyarrow.table(data).to_pandas(types_mapper=types.get)
