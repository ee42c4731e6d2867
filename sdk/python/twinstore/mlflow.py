"""Models of MLflow that know the features that they were trained on.

:func:`log_training_set` logs with a run what a training set was made from, :func:`log_model` keeps it with the model, and
:func:`load_checked` loads a model that reads its features itself, and refuses a service that computes others.
"""

from __future__ import annotations

import os
from typing import Any, Mapping

from twinstore import _frames
from twinstore._errors import InputError
from twinstore._features import Features
from twinstore._store import Store
from twinstore._trained_on import TrainedOn, manifest_of

#: The key of a model's metadata, and the folder of a run's artifacts.
KEY = "twinstore"


def log_training_set(training: Any, store: Store) -> TrainedOn:
    """Logs with the active run what a training set was made from: the service, its hash and how labels saw rows as
    parameters, everything as ``twinstore/training_set.json``, and beside it the manifest of a file."""
    mlflow = _frames.library_of("mlflow", "twinstore.mlflow")
    made = store.trained_on(training)
    named = {"service": made.service, "service_hash": made.service_hash, "as_of": made.as_of, "rows": made.rows}
    mlflow.log_params({f"{KEY}.{name}": value for name, value in named.items()})
    mlflow.log_dict(made.to_dict(), f"{KEY}/training_set.json")
    if isinstance(training, (str, os.PathLike)):
        mlflow.log_artifact(str(manifest_of(training, store.folder)), KEY)
    return made


def log_model(flavor: Any, model: Any, training: Any, store: Store, **options: Any) -> Any:
    """Logs a model by a flavor of MLflow, such as ``mlflow.sklearn``, with what it was trained on in its metadata. The options
    are those of the flavor's ``log_model``. With a ``signature`` or an ``input_example`` the model knows which of the
    features it takes; else it takes all of them."""
    metadata = {**(options.pop("metadata", None) or {}), KEY: store.trained_on(training).to_dict()}
    return flavor.log_model(model, metadata=metadata, **options)


def load_checked(model_uri: str, store: Store, *, service: str | None = None) -> CheckedModel:
    """Loads a model that :func:`log_model` logged. It reads from the version of the service that it was trained on, or from
    ``service``: the name alone follows cutovers. A service that computes other features is refused, now and at each read."""
    pyfunc = _frames.library_of("mlflow.pyfunc", "twinstore.mlflow")
    model = pyfunc.load_model(model_uri)
    stored = (model.metadata.metadata or {}).get(KEY)
    if stored is None:
        raise InputError(f"{model_uri} does not say what it was trained on: log it with `twinstore.mlflow.log_model`")
    made = TrainedOn.from_dict(stored)
    chosen = service or made.service
    # A server says so at the first read.
    served = None if store.is_remote else store.service(chosen)
    if served is not None and served.hash != made.service_hash:
        raise InputError(
            f"{served.name} is not what the model was trained on, which is {made.service} with the hash "
            f"{made.service_hash[:12]}…: leave out `service`, or train the model on {served.name}"
        )
    return CheckedModel(model, made, store, chosen)


class CheckedModel:
    """A model that reads its features itself, from a service that computes what it was trained on, and from no other."""

    def __init__(self, model: Any, made: TrainedOn, store: Store, service: str) -> None:
        #: The model, as MLflow loads it.
        self.model = model
        #: What it was trained on.
        self.trained_on = made
        self._store = store
        self._service = service
        schema = model.metadata.get_input_schema()
        self._types = {} if schema is None else dict(zip(schema.input_names(), schema.input_types()))
        #: The features that it takes, in its own order.
        self.features: list[str] = list(self._types or made.features)
        unknown = [name for name in self.features if name not in made.features]
        if unknown:
            raise InputError(
                f"the model takes `{unknown[0]}`, which is not a feature of {made.service}: train it on features alone"
            )

    def read(self, entities: Any, *, request: Mapping[str, Any] | None = None, at: Any = None) -> Features:
        """The features of entities. If the service has become another one than that of the training set, as after a cutover,
        the read is refused."""
        return self._store.features(
            self._service, entities, request=request, features=self.features, at=at, trained_on=self.trained_on.service_hash
        )

    def predict(self, entities: Any, *, request: Mapping[str, Any] | None = None, at: Any = None) -> Any:
        """The model's predictions for entities, by features that are read now."""
        frame = self.read(entities, request=request, at=at).to_pandas()[self.features]
        return self.model.predict(frame.astype({name: self._kind(name, frame[name]) for name in self.features}))

    def _kind(self, name: str, column: Any) -> Any:
        """The type of a column as the model takes it: of numbers without one, and of those with nulls, a float."""
        wanted = self._types[name].to_numpy() if name in self._types else None
        if column.dtype.kind not in "iufb":
            return column.dtype
        if wanted is None or wanted.kind in "iub" and column.isna().any():
            return "float64"
        return wanted

    def __repr__(self) -> str:
        return f"CheckedModel({self._service}, trained on {self.trained_on.service}, {len(self.features)} features)"
