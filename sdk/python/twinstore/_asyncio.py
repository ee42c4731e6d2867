"""A store for asyncio: each call waits in a thread of its own, and the event loop goes on."""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from typing import Any, Callable, Mapping, Sequence, TypeVar

from twinstore import _explore, _monitoring, _results, _versions
from twinstore._definitions import Definition, FeatureView, OnDemandView
from twinstore._features import Features
from twinstore._store import Store
from twinstore._trained_on import TrainedOn

T = TypeVar("T")


class AsyncStore:
    """A :class:`Store` whose methods are awaited. Where a task is cancelled, so is the load or the training set that it
    waits for.

    >>> import asyncio
    >>> async def main():
    ...     async with ts.AsyncStore(project) as store:
    ...         return await store.features("late_arrival", {"dest": "LAX"})
    >>> asyncio.run(main())["last_delay"]
    4.5
    """

    def __init__(self, target: str | os.PathLike[str] = ".") -> None:
        self.store = Store(target)

    async def __aenter__(self) -> AsyncStore:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """As :meth:`Store.close`."""
        await in_thread(self.store.close)

    def __repr__(self) -> str:
        return repr(self.store).replace("Store", "AsyncStore")

    @property
    def folder(self) -> str:
        """The project's folder."""
        return self.store.folder

    @property
    def is_remote(self) -> bool:
        """Whether it is a server."""
        return self.store.is_remote

    async def plan(self) -> _results.Plan:
        """As :meth:`Store.plan`."""
        return await in_thread(self.store.plan)

    async def apply(self, *, new_registry: bool = False) -> _results.Applied:
        """As :meth:`Store.apply`."""
        return await in_thread(functools.partial(self.store.apply, new_registry=new_registry))

    async def service(self, service: str) -> _results.Service:
        """As :meth:`Store.service`."""
        return await in_thread(self.store.service, service)

    async def views(self) -> _explore.Definitions:
        """As :meth:`Store.views`."""
        return await in_thread(self.store.views)

    async def services(self) -> _explore.Definitions:
        """As :meth:`Store.services`."""
        return await in_thread(self.store.services)

    async def search(self, text: str) -> _explore.Found:
        """As :meth:`Store.search`."""
        return await in_thread(self.store.search, text)

    async def view(self, view: str) -> _explore.View:
        """As :meth:`Store.view`."""
        return await in_thread(self.store.view, view)

    async def backfill(self, *views: str, start: Any = None, end: Any = None) -> _results.Loads:
        """As :meth:`Store.backfill`."""
        return await cancellable(functools.partial(self.store.backfill, *views, start=start, end=end))

    async def materialize(self, *views: str) -> _results.Loads:
        """As :meth:`Store.materialize`."""
        return await cancellable(functools.partial(self.store.materialize, *views))

    async def push(self, source: str, rows: Any) -> _results.Pushed:
        """As :meth:`Store.push`."""
        return await in_thread(self.store.push, source, rows)

    async def stream(self, *views: str, until_caught_up: bool = True) -> _results.Streamed:
        """As :meth:`Store.stream`."""
        return await cancellable(functools.partial(self.store.stream, *views, until_caught_up=until_caught_up))

    async def training_set(
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
    ) -> Any:
        """As :meth:`Store.training_set`."""
        options: dict[str, Any] = {"time": time, "out": out, "as_of": as_of, "explain": explain}
        options |= {"threads": threads, "max_memory": max_memory}
        return await cancellable(functools.partial(self.store.training_set, service, spine, **options))

    async def trained_on(self, training: Any) -> TrainedOn:
        """As :meth:`Store.trained_on`."""
        return await in_thread(self.store.trained_on, training)

    async def batch_features(self, service: str, *, at: Any = None, explain: bool = False) -> Any:
        """As :meth:`Store.batch_features`."""
        return await cancellable(functools.partial(self.store.batch_features, service, at=at, explain=explain))

    async def try_view(
        self,
        view: FeatureView | OnDemandView,
        spine: Any,
        *definitions: Definition,
        time: str,
        as_of: str = "available",
    ) -> Any:
        """As :meth:`Store.try_view`."""
        tried = functools.partial(self.store.try_view, view, spine, *definitions, time=time, as_of=as_of)
        return await cancellable(tried)

    async def features(
        self,
        service: str,
        entities: Any,
        *,
        request: Mapping[str, Any] | None = None,
        features: Sequence[str] = (),
        at: Any = None,
        trained_on: str | None = None,
    ) -> Features:
        """As :meth:`Store.features`."""
        options: dict[str, Any] = {"request": request, "features": features, "at": at, "trained_on": trained_on}
        read = functools.partial(self.store.features, **options)
        return await in_thread(read, service, entities)

    async def verify(self, deep: bool = False) -> _versions.Verified:
        """As :meth:`Store.verify`."""
        return await in_thread(self.store.verify, deep)

    async def verify_values(
        self, of: str | None = None, *, entities: int = 1000, served: bool = False
    ) -> _monitoring.Values:
        """As :meth:`Store.verify_values`."""
        return await in_thread(functools.partial(self.store.verify_values, of, entities=entities, served=served))

    async def slo(self, name: str | None = None) -> _monitoring.Objectives:
        """As :meth:`Store.slo`."""
        return await in_thread(self.store.slo, name)

    async def doctor(self) -> _monitoring.Examination:
        """As :meth:`Store.doctor`."""
        return await in_thread(self.store.doctor)

    async def quality(self, view: str, *, day: Any = None) -> _monitoring.ColumnDays:
        """As :meth:`Store.quality`."""
        return await in_thread(functools.partial(self.store.quality, view, day=day))

    async def contract(self, source: str) -> _monitoring.Contract:
        """As :meth:`Store.contract`."""
        return await in_thread(self.store.contract, source)

    async def quarantined(self, *views: str) -> _monitoring.Quarantined:
        """As :meth:`Store.quarantined`."""
        return await in_thread(self.store.quarantined, *views)

    async def drift(
        self, view: str, reference: str | os.PathLike[str], *, live: str | None = None
    ) -> _monitoring.Drift:
        """As :meth:`Store.drift`."""
        return await in_thread(functools.partial(self.store.drift, view, reference, live=live))

    async def lineage(self, name: str) -> _versions.Lineage:
        """As :meth:`Store.lineage`."""
        return await in_thread(self.store.lineage, name)

    async def parity(
        self,
        old: str,
        new: str,
        *,
        rows: int = 100_000,
        spine: str | os.PathLike[str] | None = None,
        time: str | None = None,
    ) -> _versions.Parity:
        """As :meth:`Store.parity`."""
        return await in_thread(functools.partial(self.store.parity, old, new, rows=rows, spine=spine, time=time))

    async def cutover(
        self, to: str, *, percent: int | str | None = None, reason: str | None = None, override: str | None = None
    ) -> _versions.Cutover:
        """As :meth:`Store.cutover`."""
        move = functools.partial(self.store.cutover, to, percent=percent, reason=reason, override=override)
        return await in_thread(move)

    async def rollback(self, service: str, *, reason: str | None = None) -> _versions.Rollback:
        """As :meth:`Store.rollback`."""
        return await in_thread(functools.partial(self.store.rollback, service, reason=reason))


async def in_thread(call: Callable[..., T], *arguments: Any) -> T:
    """What a call gives, made in a thread."""
    return await asyncio.to_thread(call, *arguments)


async def cancellable(call: Callable[..., T]) -> T:
    """What a call gives that takes `progress`, made in a thread, and cancelled with the task that awaits it."""
    cancelled = threading.Event()

    def watch(done: int, total: int) -> None:
        if cancelled.is_set():
            raise asyncio.CancelledError

    try:
        return await asyncio.to_thread(functools.partial(call, progress=watch))
    except asyncio.CancelledError:
        cancelled.set()
        raise
