"""A project, opened."""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import Any, Callable, Mapping, Sequence, TypeVar

from twinstore import _errors, _explore, _fork, _frames, _monitoring, _progress, _results, _trial, _twinstore
from twinstore import _versions
from twinstore._definitions import Definition, FeatureView, OnDemandView
from twinstore._errors import InputError, NaiveTimeWarning
from twinstore._features import Features
from twinstore._rows import entity_columns, lines
from twinstore._trained_on import TrainedOn, trained_on
from twinstore._values import MOST_COMPARED, MOST_THREADS, time_text, whole, whole_or_none

#: What may show how far a call is: it takes the rows that are done and those that there are, 0 where that is not known.
Progress = Callable[[int, int], None]


#: How the address of a server begins.
SCHEME = "grpc://"
#: The same, over TLS.
TLS_SCHEME = "grpcs://"


def _connected(address: str) -> _twinstore.Server:
    token, ca = (os.environ.get(name, "") for name in ("TWINSTORE_TOKEN", "TWINSTORE_CLIENT_CA"))
    return _twinstore.Server(address, token, ca)


class Store:
    """A project, opened in this process: the folder with definitions in ``features/`` and settings in ``twinstore.toml``.
    Or, as ``grpc://host:port``, a server, which reads features and takes pushes. It is shown the token of the environment
    variable ``TWINSTORE_TOKEN``, where there is one. ``grpcs://host:port`` is one over TLS, trusted by the authorities of the file
    in ``TWINSTORE_CLIENT_CA``, or by those of the system.

    >>> store = ts.Store(project)
    >>> store.plan().ok
    True

    Its methods are the command's twins. Each releases the interpreter's lock while it works, and ends within half a second
    where it is interrupted; what it committed stays. A store may be used by several threads.
    """

    def __init__(self, target: str | os.PathLike[str] = ".") -> None:
        text = os.fspath(target)
        self._server = _connected(text.removeprefix(SCHEME)) if text.startswith((SCHEME, TLS_SCHEME)) else None
        if self._server is None:
            _fork.opened()
        self._opened = None if self._server else _twinstore.Project(text)

    @property
    def _project(self) -> _twinstore.Project:
        if self._opened is None:
            raise InputError(
                f"{self!r} is a server, which reads features and takes pushes: open the project's folder for this"
            )
        _fork.refuse_forked()
        return self._opened

    @property
    def folder(self) -> str:
        """The project's folder."""
        return os.fspath(self._project.folder)

    @property
    def is_remote(self) -> bool:
        """Whether it is a server."""
        return self._server is not None

    def close(self) -> None:
        """Closes the online store, or the connection to the server. The next read opens it again."""
        if self._server is not None:
            self._server.close()
        elif not _fork.is_forked():
            # What a parent has opened stays its own.
            self._project.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        opened, server = self._opened, self._server
        address = server.address if server else ""
        remote = address if address.startswith(TLS_SCHEME) else SCHEME + address
        target = os.fspath(opened.folder) if opened is not None else remote
        return f"twinstore.Store({target!r})"

    # Definitions.

    def plan(self) -> _results.Plan:
        """What :meth:`apply` would change, and the views, services and consumers that each change reaches."""
        return _results.Plan(json.loads(self._project.plan()))

    def apply(self, *, new_registry: bool = False) -> _results.Applied:
        """Registers the definitions of the folder, in one transaction.

        Where the logs of views are there and their registry is gone, it is refused unless ``new_registry`` is true: what
        the lost one knew beside the definitions begins again.
        """
        return _results.Applied(json.loads(self._project.apply(new_registry)))

    def service(self, service: str) -> _results.Service:
        """What a service takes and gives: by ``name`` its live version, or an exact one by ``name@version``.

        >>> store.service("late_arrival").keys
        {'dest': 'string'}
        """
        return _results.Service(json.loads(self._project.service(service)))

    def views(self) -> _explore.Definitions:
        """The feature views and on-demand views that are registered."""
        return self._definitions("view", ("feature_view", "on_demand_view"))

    def services(self) -> _explore.Definitions:
        """The feature services that are registered.

        >>> "late_arrival@1" in store.services().names
        True
        """
        return self._definitions("service", ("feature_service",))

    def _definitions(self, what: str, kinds: tuple[str, ...]) -> _explore.Definitions:
        every = json.loads(self._project.definitions())
        return _explore.Definitions({"what": what, "definitions": [one for one in every if one["kind"] in kinds]})

    def search(self, text: str) -> _explore.Found:
        """What has a text in its name, its description, its owner or the names of its features.

        >>> [one["name"] for one in store.search("seats").features]
        ['last_seats', 'last_seats']
        """
        return _explore.Found(json.loads(self._project.search(text)))

    def view(self, view: str) -> _explore.View:
        """A feature view and its log: by ``name@version``, or by ``name`` where there is one version."""
        return _explore.View(json.loads(self._project.view_log(view)))

    # History.

    def backfill(
        self, *views: str, start: Any = None, end: Any = None, progress: bool | Progress | None = None
    ) -> _results.Loads:
        """Loads history into the log, then the online store; of all views with history where none is named.

        ``start`` (inclusive) and ``end`` (exclusive) choose rows by their event times. Files that were loaded before are
        passed over, so that a repetition changes nothing.
        """
        with _progress.shown(progress) as show:
            done = self._project.backfill(list(views), time_text(start), time_text(end), show)
        return loaded(_results.Loads(json.loads(done)))

    def materialize(self, *views: str, progress: bool | Progress | None = None) -> _results.Loads:
        """Loads the batch rows that are new since the last load into both stores."""
        with _progress.shown(progress) as show:
            done = self._project.materialize(list(views), show)
        return loaded(_results.Loads(json.loads(done)))

    def push(self, source: str, rows: Any) -> _results.Pushed:
        """Pushes rows into the stream of a source: dicts, or a frame of pandas, polars or pyarrow. Those that are taken are
        durable once it returns; those that are refused are named in the result."""
        to = self._server or self._project
        return _results.Pushed(json.loads(to.push(source, lines(rows))))

    def stream(
        self, *views: str, until_caught_up: bool = True, progress: Progress | None = None
    ) -> _results.Streamed:
        """Brings the rows of streams into both stores, of all views with a stream where none is named: until everything is
        there that their topics hold now. Where a server follows them already, its commits are waited for; a process that
        commits nothing for 30 seconds is named in a :class:`TransientError`. Without ``until_caught_up`` it goes on until it is interrupted, or ``progress``, which is called ten times a
        second, raises; what was committed stays.
        """
        done = self._project.stream(list(views), until_caught_up, progress)
        return loaded(_results.Streamed(json.loads(done)))

    # Training.

    def training_set(
        self,
        service: str,
        spine: Any,
        *,
        time: str,
        out: str | os.PathLike[str] | None = None,
        as_of: str = "available",
        explain: bool = False,
        threads: int | None = None,
        max_memory: int | None = None,
        progress: bool | Progress | None = None,
    ) -> Any:
        """The point-in-time join of a spine, entities and label times, with the features of a service.

        The spine is a frame of pandas, polars or pyarrow, and what is given back is one, too: its columns as they were, the
        features behind them. :func:`twinstore.summary` says what there is to say of it. Where it is a file's path, ``out``
        names the file to write, both from the project's folder, and the summary is given back. Neither is held in memory as
        a whole, and beside the file lies a manifest from which the training set can be made again.

        ``time`` is the column of label times. Without a zone they are read as UTC, and times among the features come back
        without one. ``as_of="available"`` shows a label what could have been read then; ``"event"`` shows what had
        happened, which leaks. ``explain`` adds the event time, availability and age of each view.

        >>> training = store.training_set("late_arrival", spine, time="at")
        >>> training["arrivals_1h"].tolist()
        [0]
        """
        options = {
            "service": service,
            "time": time,
            "as_of": as_of,
            "explain": explain,
            "threads": whole_or_none("threads", threads, MOST_THREADS),
            "max_memory": whole_or_none("max_memory", max_memory),
        }
        if isinstance(spine, (str, os.PathLike)):
            if out is None:
                raise InputError("the spine is a file: name the file to write with `out`")
            with _progress.shown(progress) as show:
                said, naive = self._project.training_set(os.fspath(spine), os.fspath(out), options, show)
            return _results.Summary(self._said(said, naive, time))
        if out is not None:
            raise InputError("the spine is a frame, whose features are given back as one: leave out `out`, or name a file")
        frame = _frames.adapter(spine)
        reads = json.loads(self._project.service(service))
        what = {one["name"]: f"a request column of {reads['service']}" for one in reads["request"]}
        what |= {one["name"]: f"a join key of {reads['service']}" for one in reads["keys"]}
        what[time] = "the label times"
        needed = list(dict.fromkeys([time, *what]))
        frame.needed(needed, what)
        beside = [name for name in frame.names if name not in needed]
        with _progress.shown(progress) as show:
            added, said, naive = self._project.join(frame.select(needed, time), beside, options, show)
        return frame.with_columns(added, self._said(said, naive, time))

    def trained_on(self, training: Any) -> TrainedOn:
        """What a training set was made from, to be kept with a model: of a frame that :meth:`training_set` gave, or of a file
        that it wrote. A read with ``trained_on=made.service_hash`` is refused where other features are served.

        >>> made = store.trained_on(training)
        >>> made.service, made.features
        ('late_arrival@1', ('last_delay', 'arrivals_1h'))
        >>> store.features(made.service, {"dest": "LAX"}, trained_on=made.service_hash)["last_delay"]
        4.5
        """
        return trained_on(training, self.folder, self.service)

    def batch_features(
        self, service: str, *, at: Any = None, explain: bool = False, progress: bool | Progress | None = None
    ) -> Any:
        """The features of every entity at one moment, now where none is named, from the log: for scoring, without a spine.
        A table of pyarrow, with the join keys before the features.

        >>> store.batch_features("late_arrival", at="2026-01-01T11:30:00Z").sort_by("dest").to_pydict()
        {'dest': ['BOS', 'LAX'], 'last_delay': [-3.25, 4.5], 'arrivals_1h': [2, 0]}
        """
        entities, time = _explore.every_entity(self._project, service, at)
        table = self.training_set(service, entities, time=time, explain=explain, progress=progress)
        return table.drop_columns([time])

    def try_view(
        self,
        view: FeatureView | OnDemandView,
        spine: Any,
        *definitions: Definition,
        time: str,
        as_of: str = "available",
    ) -> Any:
        """What a view would give for a spine, before it is registered: the spine with the view's features. The view may
        read what the files of the project define, and further ``definitions``.

        The history that it reads is loaded into a scratch folder, which is removed at the end. Nothing is registered, and
        nothing is written into the project.

        >>> seats = ts.FeatureView(
        ...     "seats", 1, entity="airport", source="landings", keys={"airport": "dest"},
        ...     features={"seats_1d": ts.Aggregate("sum(seats)", window="1d")},
        ... )
        >>> tried = store.try_view(seats, spine.rename(columns={"dest": "airport"}), time="at")
        >>> tried["seats_1d"].tolist()
        [180]
        """
        with _trial.scratch_project(self.folder, view, definitions) as folder, Store(folder) as scratch:
            scratch.apply()
            needed = _trial.views_to_load(scratch.lineage(view.reference).data)
            if needed:
                scratch.backfill(*needed, progress=False)
            return scratch.training_set(_trial.SERVICE, spine, time=time, as_of=as_of, progress=False)

    def _said(self, text: str, naive: bool, time: str) -> dict[str, Any]:
        said = json.loads(text)
        if naive:
            warnings.warn(
                f"`{time}` has no time zone and was read as UTC: give it one, or silence this with "
                "`warnings.simplefilter(\"ignore\", twinstore.NaiveTimeWarning)`",
                NaiveTimeWarning,
                stacklevel=3,
            )
        for sentence in said["deprecated"]:
            warnings.warn(sentence, DeprecationWarning, stacklevel=3)
        summary: dict[str, Any] = said["summary"]
        return summary

    # Serving.

    def features(
        self,
        service: str,
        entities: Any,
        *,
        request: Mapping[str, Any] | None = None,
        features: Sequence[str] = (),
        at: Any = None,
        trained_on: str | None = None,
    ) -> Features:
        """Reads features online, from the store itself or from the server.

        ``entities`` has the join keys and the request columns of the service: a dict of values for one entity, a dict of
        lists or a list of dicts for several, or a frame, whose other columns are left alone, and whose index
        ``to_pandas()`` keeps. A server does not say which columns are which:
        there request columns stand in ``request``, and a frame has the join keys alone. More than 10,000 entities are read
        from it in several requests, each at its own moment unless ``at`` names one. ``features`` chooses some of them. ``at`` reads as
        of a time instead of now. ``trained_on`` is the service's hash in a training set's manifest: another version than
        the one that it was built from is refused.

        >>> store.features("late_arrival", {"dest": ["LAX", "XXX"]}).to_dict()
        {'last_delay': [4.5, None], 'arrivals_1h': [0, None]}
        """
        # A text is a sequence of characters, and here one name.
        features = [features] if isinstance(features, str) else list(features)
        given = entity_columns(entities)
        columns, beside, single = given.columns, {}, given.single
        if request:
            requested = entity_columns(request)
            beside, single = requested.columns, requested.single
            if columns and single != given.single:
                raise InputError("`entities` and `request` have to be of the same entities: one value in each, or lists")
        if self._server is not None:
            choice = (time_text(at), trained_on)
            read = self._server.features(service, features, columns, beside, *choice)
        else:
            columns |= beside
            read = self._project.features(service, features, columns, given.others, time_text(at), trained_on)
        if read.notice:
            warnings.warn(read.notice, DeprecationWarning, stacklevel=2)
        return Features(read, single, given.index)

    # Versions and what is stored.

    def verify(self, deep: bool = False) -> _versions.Verified:
        """Checks what is stored; where ``deep``, every file is read. Nothing is changed."""
        return _versions.Verified(json.loads(self._project.verify(deep)))

    def verify_values(
        self, of: str | None = None, *, entities: int = 1000, served: bool = False
    ) -> _monitoring.Values:
        """Compares what is online with the log, to the bit: of entities that are drawn from the logs of all views, of one
        view, or of those that a service reads. Where ``served``, the sample of what servers answered in the last day.

        >>> bool(store.verify_values("late_arrival"))
        True
        """
        return _monitoring.Values(json.loads(self._project.verify_values(of, whole("entities", entities, 1), served)))

    # How it is.

    def slo(self, name: str | None = None) -> _monitoring.Objectives:
        """How freshness objectives stand: attained, error budget left, since when, and which stage ate the time."""
        return _monitoring.Objectives(json.loads(self._project.slo(name)))

    def doctor(self) -> _monitoring.Examination:
        """Walks through the project, from what people see down to what everything stands on, and names the probable cause
        of what is wrong. Nothing is changed.

        >>> store.doctor().cause is None
        True
        """
        data, cause = self._project.doctor()
        return _monitoring.Examination(json.loads(data), cause)

    def quality(self, view: str, *, day: Any = None) -> _monitoring.ColumnDays:
        """What the columns of a view hold, by the date on which their rows happened: nulls, quantiles, distinct values, the
        most frequent ones. ``day`` chooses one date.

        >>> [one["rows"] for one in store.quality("airport_arrivals").days if one["column"] == "arr_delay"]
        [3]
        """
        chosen = None if day is None else str(day)
        data = json.loads(self._project.statistics(view, chosen))
        return _monitoring.ColumnDays({"view": view, **data})

    def contract(self, source: str) -> _monitoring.Contract:
        """What a source promises, who depends on it, and whether it keeps that."""
        return _monitoring.Contract(json.loads(self._project.contract(source)))

    def quarantined(self, *views: str) -> _monitoring.Quarantined:
        """The quarantined batches of views, of all where none is named."""
        return _monitoring.Quarantined(json.loads(self._project.quarantined(list(views))))

    def drift(self, view: str, reference: str | os.PathLike[str], *, live: str | None = None) -> _monitoring.Drift:
        """How far what the columns of a view hold lies from a reference: a training set's file, or days of the log as in
        ``"2026-01-01..2026-01-31"``. ``live`` chooses the days that are compared; without it all that came after.

        >>> store.drift("airport_arrivals", "2026-01-01..2026-01-01", live="2026-01-01").drifted
        []
        """
        return _monitoring.Drift(json.loads(self._project.drift(view, os.fspath(reference), live)))

    def lineage(self, name: str) -> _versions.Lineage:
        """What a name comes from and what comes from it: a definition by ``name`` or ``name@version``, a feature or a column
        by its own name or as ``view@version:name``."""
        data, mermaid = self._project.lineage(name)
        return _versions.Lineage(json.loads(data), mermaid)

    def parity(
        self,
        old: str,
        new: str,
        *,
        rows: int = 100_000,
        spine: str | os.PathLike[str] | None = None,
        time: str | None = None,
    ) -> _versions.Parity:
        """Compares two versions of a view or of a service at the same entities and moments, and keeps the report. They are
        drawn from the log of the old version, or are those of a file with its column of moments."""
        if (spine is None) != (time is None):
            raise InputError("name both `spine` and `time`, its column of moments, or neither")
        moments = None if spine is None or time is None else (os.fspath(spine), time)
        data, page = self._project.parity(old, new, whole("rows", rows, 1, MOST_COMPARED), moments)
        return _versions.Parity(json.loads(data), page)

    def cutover(
        self, to: str, *, percent: int | str | None = None, reason: str | None = None, override: str | None = None
    ) -> _versions.Cutover:
        """Makes a version of a service answer its own name, once its gates pass; with ``percent`` as a canary, for a stable
        share of the entities. ``override`` says why gates that fail do not hold it up."""
        share = None if percent is None else str(percent)
        return _versions.Cutover(json.loads(self._project.cutover(to, share, reason, override)))

    def rollback(self, service: str, *, reason: str | None = None) -> _versions.Rollback:
        """Ends a service's canary, or makes the version live again that was live before."""
        return _versions.Rollback(json.loads(self._project.rollback(service, reason)))


L = TypeVar("L", _results.Loads, _results.Streamed)


def loaded(result: L) -> L:
    """What was loaded; an exception where a view failed, which has the result."""
    failed = result.data["failed"]
    if failed:
        classes = {one["raises"] for one in failed}
        name = next(name for name in ("FatalError", "InputError", "TransientError") if name in classes)
        error: Exception = getattr(_errors, name)("\n".join(one["message"] for one in failed))
        error.result = result  # type: ignore[attr-defined]
        raise error
    return result


def command() -> int:
    """The command ``twinstore``."""
    return _twinstore.main(["twinstore", *sys.argv[1:]])
