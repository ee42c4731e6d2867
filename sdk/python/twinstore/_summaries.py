"""The summary of a training set, kept with the frame that it is of."""

from __future__ import annotations

import json
from typing import Any

from twinstore._errors import InputError
from twinstore._results import Summary

KEY = b"twinstore.summary"
ATTRIBUTE = "_twinstore_summary"


def to_metadata(summary: dict[str, Any]) -> dict[bytes, bytes]:
    """The summary as metadata of an Arrow schema."""
    return {KEY: json.dumps(summary).encode()}


def attach(frame: Any, summary: dict[str, Any]) -> Any:
    """The frame, which knows its summary."""
    setattr(frame, ATTRIBUTE, summary)
    return frame


def summary(frame: Any) -> Summary:
    """What there is to say of a training set that :meth:`Store.training_set` gave: for each feature how many labels have no
    value, how many leaks were avoided, and how many labels lie outside the logs.

    >>> ts.summary(training).length
    1

    It is kept in ``attrs`` of a pandas frame, in the schema's metadata of an Arrow table, and beside a polars frame, so a
    frame of polars that is derived from it has none.
    """
    attrs = getattr(frame, "attrs", None)
    if isinstance(attrs, dict) and "twinstore" in attrs:
        return Summary(attrs["twinstore"])
    attached = getattr(frame, ATTRIBUTE, None)
    if attached is not None:
        return Summary(attached)
    metadata = getattr(getattr(frame, "schema", None), "metadata", None)
    if isinstance(metadata, dict) and KEY in metadata:
        return Summary(json.loads(metadata[KEY]))
    raise InputError("this frame has no summary: pass what `store.training_set(…)` gave, before it was changed")
