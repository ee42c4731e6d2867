"""What a training set was made from, as it is kept with a model."""

from __future__ import annotations

import json
import os
import pathlib
from dataclasses import asdict, dataclass
from typing import Any, Callable, Mapping

from twinstore._errors import InputError
from twinstore._results import Service
from twinstore._summaries import summary

#: The version of the form in which it is stored.
FORMAT = 1


@dataclass(frozen=True)
class TrainedOn:
    """What a training set was made from: to be kept with a model, so that it reads the same features and no others."""

    #: The version of the service, as ``name@version``.
    service: str
    #: The hash of everything that its features are computed by: ``trained_on`` of a read.
    service_hash: str
    #: The features, in the order of the service.
    features: tuple[str, ...]
    #: Which rows a label could see: ``available`` or ``event``.
    as_of: str
    #: How many rows the training set has.
    rows: int
    #: The version of each view's log that was read.
    log_versions: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The form in which it is stored: JSON has everything in it."""
        return {"format": FORMAT, **asdict(self), "features": list(self.features)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> TrainedOn:
        """Reads what was stored."""
        if stored.get("format") != FORMAT:
            raise InputError(
                f"what a model was trained on is stored in format {stored.get('format')}, and this version of twinstore reads "
                f"format {FORMAT}: install the version that stored it, or a newer one"
            )
        keys = {name: stored[name] for name in ("service", "service_hash", "as_of", "rows", "log_versions")}
        return cls(features=tuple(stored["features"]), **keys)


def trained_on(training: Any, folder: str, service: Callable[[str], Service]) -> TrainedOn:
    """What a frame or a file was made from; paths are those from a project's folder."""
    if isinstance(training, (str, os.PathLike)):
        manifest = json.loads(manifest_of(training, folder).read_text(encoding="utf-8"))
        versions = {view["view"]: view["log_version"] for view in manifest["views"]}
        read = service(manifest["service"])
        service_hash, as_of, rows = manifest["service_hash"], manifest["as_of"], manifest["rows"]
    else:
        made = summary(training)
        versions = {log["view"]: log["version"] for log in made.data["logs"]}
        # A version never changes after a training set was made of it.
        read = service(made.service)
        service_hash, as_of, rows = read.hash, made.as_of, made.length
    return TrainedOn(read.name, service_hash, tuple(read.features), as_of, rows, versions)


def manifest_of(training: str | os.PathLike[str], folder: str) -> pathlib.Path:
    """The manifest beside a training set's file."""
    path = pathlib.Path(folder, f"{os.fspath(training)}.manifest.json")
    if not path.is_file():
        raise InputError(f"there is no manifest {path}: pass the file that `store.training_set(…, out=…)` wrote")
    return path
