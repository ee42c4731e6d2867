"""Python's values as requests write them, and back."""

import datetime as dt
import operator
import re
from typing import Any

from twinstore._errors import InputError

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)

#: The greatest whole number of 64 bits.
MOST = (1 << 63) - 1
#: More threads are not started.
MOST_THREADS = 1_024
#: More rows of two versions are not compared: their keys are held in memory.
MOST_COMPARED = 10_000_000


def moment(micros: int) -> dt.datetime:
    """The moment this many microseconds after 1970, in UTC."""
    return EPOCH + dt.timedelta(microseconds=micros)


def whole(name: str, value: Any, least: int = 0, most: int = MOST) -> int:
    """An argument that is a whole number."""
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise InputError(f"`{name}` is {value!r}: give a whole number of {least} or more")
    if number > most:
        raise InputError(f"`{name}` is {value!r}: give a whole number up to {most}")
    return number


def whole_or_none(name: str, value: Any, most: int = MOST) -> "int | None":
    """The same, or not given."""
    return None if value is None else whole(name, value, most=most)


def time_text(time: Any) -> "str | None":
    """A time as RFC 3339 writes it; one without a zone is UTC."""
    if time is None or isinstance(time, str):
        return time
    if type(time).__name__ == "datetime64":
        time = time.astype("datetime64[us]").item()
    # A time that is none is unlike itself.
    if time is None or time != time:
        raise InputError("the time is NaT, which is none: leave it out, or pass a datetime")
    if isinstance(time, dt.datetime):
        moment: dt.datetime = time if time.tzinfo else time.replace(tzinfo=dt.timezone.utc)
        return moment.astimezone(dt.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(time, dt.date):
        return f"{time.isoformat()}T00:00:00Z"
    raise InputError(f"{time!r} is not a time: pass a datetime, or a text as in 2013-06-01T12:00:00Z")


def micros(time: dt.datetime) -> int:
    """The microseconds from 1970 to a moment; one without a zone is UTC."""
    if time.tzinfo is None:
        time = time.replace(tzinfo=dt.timezone.utc)
    return (time - EPOCH) // dt.timedelta(microseconds=1)


def plain(value: Any) -> tuple[str, Any]:
    """A value of another type as one of Python's own that a request takes: a moment by its microseconds since 1970, and
    everything else as it is."""
    kind = type(value).__name__
    if kind in ("NaTType", "NAType"):
        return "value", None
    if kind == "datetime64":
        value = value.astype("datetime64[us]").item()
        if value is None:
            return "value", None
    if isinstance(value, dt.datetime):
        return "moment", micros(value)
    if isinstance(value, dt.date):
        return "moment", micros(dt.datetime(value.year, value.month, value.day))
    if isinstance(value, (bytearray, memoryview)):
        return "value", bytes(value)
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        converted = value.tolist()
        if type(converted) in (bool, int, float, str, bytes, list, type(None)):
            return "value", converted
    raise TypeError(
        f"{value!r} is a {type(value).__module__}.{kind}: pass a number, a text, bytes, a truth value or a datetime"
    )


UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(span: str) -> float:
    """A duration of definitions, such as ``1h30m``, in seconds."""
    parts = re.findall(r"(\d+)(us|ms|s|m|h|d)", span)
    return sum(int(count) * UNITS[unit] for count, unit in parts) or 1.0


def age(of: float) -> str:
    """Seconds as a person says them."""
    for unit in ("d", "h", "m"):
        if of >= 2 * UNITS[unit]:
            return f"{of / UNITS[unit]:,.0f} {unit} old"
    return f"{of:,.1f} s old"
