"""A server: the same reads and pushes, over one connection."""

import datetime as dt
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import numpy as np
import pandas as pd
import polars as pl
import pytest

import twinstore as ts


class Serving:
    """The command `serve`, on free ports."""

    def __init__(self, folder, grpc="127.0.0.1:0"):
        environment = {**os.environ, "TWINSTORE_SERVE_GRPC": grpc, "TWINSTORE_SERVE_HTTP": "127.0.0.1:0"}
        self.process = subprocess.Popen(
            [os.environ["TWINSTORE_BIN"], "--project", folder, "serve"], env=environment, stderr=subprocess.PIPE, text=True
        )
        line = self.process.stderr.readline()
        self.address = re.search(r"gRPC (\S+) ", line)[1]

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait(60)
        self.process.stderr.close()


@pytest.fixture
def serving(store):
    serving = Serving(store.folder)
    yield serving
    if serving.process.poll() is None:
        serving.stop()


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_server_answers_what_the_store_answers(store, serving):
    remote = ts.Store(f"grpc://{serving.address}")
    at = dt.datetime(2030, 1, 1, tzinfo=dt.timezone.utc)
    for entities in [
        {"dest": "LAX"},
        {"dest": ["BOS", "XXX", None]},
        {"dest": [None]},
        pd.DataFrame({"dest": ["BOS", "LAX"]}),
        pl.DataFrame({"dest": ["BOS", "LAX"]}),
    ]:
        there, here = (one.features("everything", entities, at=at) for one in (remote, store))
        assert there.to_dict() == here.to_dict() and there.statuses == here.statuses
        assert there.event_times == here.event_times and there.ages == here.ages
        assert there.to_arrow(details=True).equals(here.to_arrow(details=True))
    assert repr(remote) == f"twinstore.Store('grpc://{serving.address}')"


def test_rows_are_pushed_into_a_server_and_read_from_it(serving):
    remote = ts.Store(f"grpc://{serving.address}")
    now = dt.datetime.now(dt.timezone.utc)
    pushed = remote.push("clicks", [{"at": now, "user": 7, "price": 1.5}, {"at": None, "user": 8}, {"at": now, "user": np.int32(7)}])
    assert (pushed.taken, list(pushed.refused)) == (2, [2])
    until(lambda: remote.features("prices", {"user": 7}).to_dict() == {"clicks": 2, "last_price": None})
    frame = pd.DataFrame({"at": [now], "user": [7], "price": [2.5]})
    assert remote.push("clicks", frame).taken == 1
    until(lambda: remote.features("prices", {"user": [7, 8]})["clicks"] == [3, None])
    # Columns without a value have the type of the server's.
    assert remote.features("prices", {"user": [None]})["clicks"] == [None]
    assert remote.push("clicks", [{"at": now, "user": 9, "price": None}]).taken == 1


def test_reads_that_a_server_counts_stand_against_their_objective(folder):
    flights = folder / "features" / "flights.yaml"
    # Rows of January are too old for an hour, and young enough for a hundred years.
    for objective, share in (("1h", 0.0), ("36500d", 100.0)):
        text = flights.read_text()
        text = re.sub(r"freshness: .*\n", "", text)
        flights.write_text(
            text.replace("keys: {airport: dest}\n", f"keys: {{airport: dest}}\nfreshness: {{objective: {objective}, target: 99}}\n", 1)
        )
        project = folder / objective
        shutil.copytree(folder, project, ignore=shutil.ignore_patterns(".twinstore", "1h", "36500d"))
        with ts.Store(project) as store:
            store.apply()
            store.backfill()
            serving = Serving(str(project))
            try:
                with ts.Store(f"grpc://{serving.address}") as remote:
                    for _ in range(20):
                        remote.features("everything", {"dest": ["LAX", "BOS"]})
            finally:
                # What it counted goes into the registry before it ends.
                serving.stop()
            one = store.slo()["airport_arrivals"]
            assert one["reads"] > 0 and one["attained"] == share, one
            drawn = store.slo().plot().svg
            assert f"{share:.2f}% of {one['reads']:,} reads, target 99.0%" in drawn and "error budget used up" in drawn


def test_what_a_server_refuses_is_said(serving):
    remote = ts.Store(f"grpc://{serving.address}")
    for entities, words in [
        ({"dst": "LAX"}, "`dst` is unknown, did you mean `dest`"),
        ({"dest": 7}, "`dest` is a column of int64, where one of string is needed"),
        ({}, "the join key `dest` is missing"),
    ]:
        with pytest.raises(ts.InputError, match=words):
            remote.features("everything", entities)
    with pytest.raises(ts.InputError, match="no service `everythin`, but there is `everything`"):
        remote.features("everythin", {"dest": "LAX"})
    with pytest.raises(ts.InputError, match="is a server, which reads features and takes pushes"):
        remote.plan()


def test_a_number_of_another_width_is_read_where_it_is_in_range(store, serving):
    with open(store.folder + "/features/narrow.yaml", "w") as file:
        file.write(
            "kind: on_demand_view\nname: narrow\nversion: 1\nrequest: {small: int32, wide: float64}\n"
            "features: {sum: {expression: \"small + wide\"}}\n"
            "---\nkind: feature_service\nname: narrows\nversion: 1\nfeatures: [{from: narrow@1}]\n"
        )
    store.apply()
    remote = ts.Store(f"grpc://{serving.address}")

    def served():
        try:
            return remote.features("narrows", {}, request={"small": 2, "wide": 3}).to_dict() == {"sum": 5.0}
        except ts.InputError as error:
            assert "narrows" in str(error)
            return False

    until(served)
    with pytest.raises(ts.InputError, match="`small` holds 2147483648, where a whole number"):
        remote.features("narrows", {}, request={"small": 2**31, "wide": 3})


def test_a_server_that_is_not_there_or_goes_away_is_worth_another_try(store, serving):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "%s:%d" % free.getsockname()
    with pytest.raises(ts.TransientError, match=f"no server answers at {address} .*twinstore serve"):
        ts.Store(f"grpc://{address}").features("everything", {"dest": "LAX"})
    remote = ts.Store(f"grpc://{serving.address}")
    assert remote.features("everything", {"dest": "LAX"})["last_delay"] == 4.5
    serving.stop(signal.SIGKILL)
    with pytest.raises(ts.TransientError, match=serving.address):
        remote.features("everything", {"dest": "LAX"})
    again = Serving(store.folder, grpc=serving.address)
    try:
        assert remote.features("everything", {"dest": "LAX"})["last_delay"] == 4.5
    finally:
        again.stop()


def cut_off(answer):
    """A server that answers whoever connects with these bytes, and then hangs up."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        try:
            while True:
                connection, _ = listening.accept()
                connection.recv(65536)
                connection.sendall(answer)
                connection.close()
        except OSError:
            pass

    threading.Thread(target=serve, daemon=True).start()
    return listening


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 404 Not Found\r\n\r\n", b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"], ids=["nothing", "http", "cut"]
)
def test_a_connection_that_is_dropped_is_said_in_a_sentence(answer):
    listening = cut_off(answer)
    address = "%s:%d" % listening.getsockname()
    with pytest.raises(ts.Error, match=address) as raised:
        ts.Store(f"grpc://{address}").features("everything", {"dest": "LAX"})
    listening.close()
    assert "\n" not in str(raised.value) and isinstance(raised.value, ts.TransientError)
