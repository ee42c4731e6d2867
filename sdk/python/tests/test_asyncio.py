"""A store for asyncio."""

import asyncio
import time

import numpy as np
import pandas as pd
import pytest

import twinstore as ts


def test_calls_wait_beside_each_other(loaded):
    async def main():
        async with ts.AsyncStore(loaded.folder) as store:
            reads = [store.features("late_arrival", {"dest": airport}) for airport in ["LAX", "BOS"] * 10]
            return [read["last_delay"] for read in await asyncio.gather(*reads)]

    assert asyncio.run(main()) == [4.5, -3.25] * 10


def test_every_method_of_a_store_has_its_twin():
    public = {name for name in dir(ts.Store) if not name.startswith("_")}
    assert public == {name for name in dir(ts.AsyncStore) if not name.startswith("_")}


def test_a_store_is_closed_and_opened_again_by_the_next_read(store):
    async def main():
        awaited = ts.AsyncStore(store.folder)
        assert awaited.folder == store.folder
        for _ in range(2):
            assert (await awaited.features("late_arrival", {"dest": "LAX"}))["last_delay"] == 4.5
            await awaited.close()

    asyncio.run(main())


def test_a_training_set_ends_with_the_task_that_waits_for_it(loaded):
    rows = 3_000_000
    at = pd.Series(pd.to_datetime(np.arange(rows) * 1_000_000_000)).dt.tz_localize("UTC")
    spine = pd.DataFrame({"dest": pd.Series(np.arange(rows)).astype(str), "at": at})

    async def main():
        store = ts.AsyncStore(loaded.folder)
        task = asyncio.create_task(store.training_set("late_arrival", spine, time="at"))
        await asyncio.sleep(1)
        task.cancel()
        began = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - began

    # The loop itself is free at once; its executor has ended the call when `run` returns.
    assert asyncio.run(main()) < 0.5


def test_a_stream_ends_with_the_task_that_waits_for_it(store):
    async def main():
        awaited = ts.AsyncStore(store.folder)
        task = asyncio.create_task(awaited.stream(until_caught_up=False))
        await awaited.push("clicks", [{"at": "2026-01-01T00:00:00Z", "user": 7, "price": 1.5}])
        deadline = time.monotonic() + 60
        while (await awaited.features("prices", {"user": 7}))["clicks"] != 1:
            assert time.monotonic() < deadline and not task.done()
            await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    # The next one may follow.
    assert store.stream().rows_loaded == 0
