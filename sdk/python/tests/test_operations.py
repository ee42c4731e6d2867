"""The commands' twins: each gives what the command says, and prints well."""

import asyncio
import datetime as dt
import pathlib
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

import twinstore as ts


def test_a_plan_says_what_apply_does(folder):
    store = ts.Store(folder)
    plan = store.plan()
    assert plan and plan.refused is None and len(plan.changes) == 9
    assert "airport_arrivals" in repr(plan) and "<pre>" in plan._repr_html_()
    applied = store.apply()
    assert applied.added == 9 and "applied: 9 added" in repr(applied)
    assert repr(store.apply()).startswith("nothing to apply")


def test_a_plan_that_is_refused_says_why_and_apply_raises(folder):
    broken = folder / "features" / "flights.yaml"
    broken.write_text(broken.read_text().replace("latest: arr_delay", "latest: arr_dellay"))
    store = ts.Store(folder)
    with pytest.raises(ts.InputError, match="flights.yaml:.*arr_dellay") as raised:
        store.plan()
    assert isinstance(raised.value, ts.Error)
    with pytest.raises(ts.InputError, match="arr_dellay"):
        store.apply()


def test_a_backfill_says_what_it_loaded(folder):
    store = ts.Store(folder)
    store.apply()
    loads = store.backfill("airport_arrivals@1", progress=False)
    assert loads.rows_loaded == 3 and loads.loaded["airport_arrivals@1"]["entities"] == 2
    assert "3 rows loaded" in repr(loads) and "AIRPORT_ARRIVALS" not in repr(loads)
    assert store.backfill().rows_loaded == 0
    with open(folder / "landings.csv", "a"):
        pass
    (folder / "more.csv").write_text((folder / "landings.csv").read_text())
    assert store.materialize().rows_loaded == 0


def test_a_load_that_fails_raises_with_what_was_loaded(folder):
    store = ts.Store(folder)
    store.apply()
    (folder / "landings.csv").unlink()
    with pytest.raises(ts.Error, match="landings.csv") as raised:
        store.backfill()
    assert raised.value.result.rows_loaded == 0


def test_a_range_chooses_rows_by_their_event_times(folder):
    store = ts.Store(folder)
    store.apply()
    assert store.backfill(start="2026-01-01T10:30:00Z", end=dt.datetime(2026, 1, 1, 11)).rows_loaded == 1


def test_versions_are_compared_cut_over_and_rolled_back(store, folder):
    flights = folder / "features" / "flights.yaml"
    flights.write_text(
        flights.read_text()
        + "---\nkind: feature_service\nname: late_arrival\nversion: 2\n"
        + "features: [{from: airport_arrivals@1, on: {airport: dest}, take: [last_delay, arrivals_1h]}]\n"
    )
    store.apply()
    with pytest.raises(ts.InputError) as raised:
        store.cutover("late_arrival@2")
    first, gate, rest = str(raised.value).splitlines()
    assert first == "late_arrival@2 cannot replace the live version yet:" and rest.startswith("mend that, or cut over all the same")
    assert gate.endswith(': call `store.parity("late_arrival@1", "late_arrival@2")`')
    parity = store.parity("late_arrival@1", "late_arrival@2", rows=100)
    assert parity.passed and parity and parity.data["rows"] == 3
    assert "last_delay" in repr(parity) and "<table>" in parity._repr_html_() and "<!doctype html>" in parity.page
    moved = store.cutover("late_arrival@2", reason="it is equal")
    assert (moved.before, moved.after) == ("late_arrival@1", "late_arrival@2") and all(g["passed"] for g in moved.gates)
    assert store.service("late_arrival").name == "late_arrival@2"
    back = store.rollback("late_arrival")
    assert back.after == "late_arrival@1" and "→" in repr(back)


def test_a_store_that_cuts_over_reads_the_new_version_at_once(store, folder):
    service = "kind: feature_service\nname: late_arrival\nversion: 2\nfeatures: [{from: airport_arrivals@1, on: {airport: dest}}]\n"
    (folder / "features" / "two.yaml").write_text(service)
    store.apply()
    for _ in range(3):
        assert store.features("late_arrival", {"dest": "LAX"}).service == "late_arrival@1"
        store.cutover("late_arrival@2", override="to read it")
        assert store.features("late_arrival", {"dest": "LAX"}).service == "late_arrival@2"
        store.rollback("late_arrival")
    third = service.replace("version: 2", "version: 3")
    assert store.features("late_arrival", {"dest": "LAX"}).service == "late_arrival@1"
    (folder / "features" / "three.yaml").write_text(third)
    store.apply()
    assert store.features("late_arrival@3", {"dest": "LAX"}).service == "late_arrival@3"


def test_streams_are_followed_until_they_are_caught_up(store):
    now = dt.datetime.now(dt.timezone.utc)
    streamed = store.stream()
    assert streamed.rows_loaded == 0
    store.push("clicks", [{"at": now, "user": 7, "price": 1.5}, {"at": now, "user": 8, "price": None}])
    streamed = store.stream()
    assert streamed.rows_loaded == 2 and streamed.followed["user_clicks@1"]["records"] == 2
    assert "2 rows of streams loaded" in repr(streamed) and "user_clicks@1" in streamed._repr_html_()
    assert store.features("prices", {"user": [7, 8]}).to_dict() == {"clicks": [1, 1], "last_price": [1.5, None]}
    assert store.stream("user_clicks@1").rows_loaded == 0
    with pytest.raises(ts.InputError, match="airport_arrivals"):
        store.stream("airport_arrivals@1")
    assert asyncio.run(ts.AsyncStore(store.folder).stream()).rows_loaded == 0


def test_a_stream_that_is_followed_for_good_ends_when_it_is_interrupted(store):
    program = (
        "import signal, sys, twinstore as ts\n"
        # What was started in the background of a shell ignores it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "store = ts.Store(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "try:\n"
        "    store.stream(until_caught_up=False)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', flush=True)\n"
        "store.push('clicks', [{'at': '2026-01-01T00:00:00Z', 'user': 9, 'price': 4.0}])\n"
        "store.stream()\n"
        "print(store.features('prices', {'user': [7, 9]})['clicks'])\n"
    )
    store.push("clicks", [{"at": "2026-01-01T00:00:00Z", "user": 7, "price": 1.5}])
    process = subprocess.Popen([sys.executable, "-c", program, store.folder], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        deadline = time.monotonic() + 60
        while store.features("prices", {"user": 7})["clicks"] != 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert process.stdout.readline() == "[1, 1]\n" and process.wait(60) == 0
    finally:
        process.kill()


def test_lineage_says_what_comes_from_what(store):
    lineage = store.lineage("airport_arrivals@1")
    assert any("landings" in node["id"] for node in lineage.nodes) and lineage.edges
    assert lineage.mermaid.startswith("flowchart") and "landings" in repr(lineage)


def test_what_is_stored_is_verified(store):
    for deep in [False, True]:
        verified = store.verify(deep)
        assert verified and verified.ok and "nothing is damaged" in repr(verified)


def test_the_command_is_in_the_package(folder):
    done = subprocess.run(
        [sys.executable, "-m", "twinstore", "--project", str(folder), "plan"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "airport_arrivals" in done.stdout
    done = subprocess.run([sys.executable, "-m", "twinstore", "plane"], capture_output=True, text=True)
    assert done.returncode == 2 and "plane" in done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "twinstore", "--project", "nowhere", "plan"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr.startswith("error: there is no folder nowhere")) == (1, True)


def test_a_view_that_only_streams_says_so_where_its_rows_are_needed(store):
    spine = pd.DataFrame({"user": [7], "at": pd.to_datetime(["2030-01-01T00:00:00Z"])})
    advice = r'user_clicks@1 has no rows .* come from its stream: call `store.stream\("user_clicks@1"\)`'
    with pytest.raises(ts.InputError, match=advice):
        store.training_set("prices", spine, time="at")
    spine.to_parquet(pathlib.Path(store.folder) / "spine.parquet")
    with pytest.raises(ts.InputError, match=advice):
        store.training_set("prices", "spine.parquet", time="at", out="training.parquet")
    store.push("clicks", [{"at": "2026-01-01T00:00:00Z", "user": 7, "price": 1.5}])
    store.stream("user_clicks@1")
    assert store.training_set("prices", spine, time="at")["clicks"].tolist() == [1]
