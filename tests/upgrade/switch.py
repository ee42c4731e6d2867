"""Replaces a running server by another binary on the same stores, under steady reads and pushes.

    switch.py OLD NEW PROJECT [forward]

OLD and NEW are binaries, PROJECT a loaded sample whose landings also come from a topic. A reader does what a load
balancer does: it takes a server into rotation once its /health says so, and takes it out before it is stopped. Nothing is
tried twice but what a busy machine refuses with a hint (429): a read that fails is a failed read. Then the same the other way round, as a rollback is done, unless
it is `forward` only.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import datetime, timezone

READERS = 4
# Between two reads of a reader.
PAUSE_S = 0.02
STEADY_S = 3.0
DRAIN_S = 1.0
REQUEST = {
    "service": "late_arrival",
    "entities": {"dest": ["LAX", "XXX"], "tailnum": ["N338AA", "N338AA"]},
    "request": {"distance": [2475, 100]},
}


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def ask(port, path, body=None, timeout=10):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        data = json.dumps(body) if body is not None else None
        connection.request("POST" if data else "GET", path, data, {"content-type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


class Server:
    def __init__(self, name, binary, project):
        self.name, self.port = name, free_port()
        addresses = {"TWINSTORE_SERVE_GRPC": f"127.0.0.1:{free_port()}", "TWINSTORE_SERVE_HTTP": f"127.0.0.1:{self.port}"}
        self.process = subprocess.Popen([binary, "--project", project, "serve"], env={**os.environ, **addresses})

    def wait_until_healthy(self, bound_s=60):
        started = time.monotonic()
        while time.monotonic() - started < bound_s:
            try:
                status, _ = ask(self.port, "/health", timeout=2)
                if status == 200:
                    return time.monotonic() - started
            except OSError:
                pass
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended with {self.process.returncode} before it was healthy")
            time.sleep(0.02)
        sys.exit(f"{self.name} is not healthy after {bound_s} s")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        if code != 0:
            sys.exit(f"{self.name} ended with {code} on SIGTERM")


class Readers:
    """Reads without a pause from a server in rotation; what comes back is compared with what is expected."""

    def __init__(self):
        self.rotation, self.lock, self.ended = [], threading.Lock(), threading.Event()
        self.done, self.failed, self.slowest, self.overloaded = {}, [], 0.0, 0
        self.threads = [threading.Thread(target=self.read, args=(number,)) for number in range(READERS)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def read(self, number):
        count = number
        while not self.ended.is_set():
            with self.lock:
                server = self.rotation[count % len(self.rotation)]
            count += 1
            time.sleep(PAUSE_S)
            started = time.monotonic()
            try:
                status, body = ask(server.port, "/v1/features", REQUEST)
                if status == 429:
                    with self.lock:
                        self.overloaded += 1
                    continue
                said = None if status == 200 else f"{status}: {body[:200]!r}"
            except (OSError, http.client.HTTPException) as error:
                status, body, said = 0, b"", repr(error)
            if said is None:
                answer = json.loads(body)
                statuses = answer["columns"]["dest_arrivals_1d"]["statuses"]
                # LAX has rows for as long as this runs, XXX never.
                if statuses != ["PRESENT", "NOT_FOUND"]:
                    said = f"statuses {statuses}"
            with self.lock:
                self.slowest = max(self.slowest, time.monotonic() - started)
                if said is None:
                    self.done[server.name] = self.done.get(server.name, 0) + 1
                else:
                    self.failed.append(f"{server.name}: {said}")

    def rotate(self, servers):
        with self.lock:
            self.rotation = servers

    def end(self):
        self.ended.set()
        for thread in self.threads:
            thread.join()


class Pusher:
    """Pushes a row ten times a second, to whichever server takes it; a row that is not taken is pushed again."""

    def __init__(self):
        self.servers, self.ended = [], threading.Event()
        self.acknowledged, self.refused, self.longest = 0, 0, 0.0
        self.thread = threading.Thread(target=self.push)

    def push(self):
        last = time.monotonic()
        while not self.ended.is_set():
            # A number that no row of the sample has.
            row = {"flight_id": 10_000_000 + self.acknowledged, "tailnum": "N338AA", "origin": "JFK", "dest": "LAX",
                   "arr_delay": 1.0, "air_time": 320.0, "distance": 2475,
                   "landed_at": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
            for server in self.servers:
                try:
                    status, body = ask(server.port, "/v1/push", {"source": "landings", "rows": [row]})
                    taken = status == 200
                except (OSError, http.client.HTTPException):
                    taken = False
                if taken:
                    self.acknowledged += 1
                    now = time.monotonic()
                    self.longest, last = max(self.longest, now - last), now
                    break
                self.refused += 1
            time.sleep(0.1)

    def end(self):
        self.ended.set()
        self.thread.join()


def replace(old, new, readers, pusher):
    """The new server in, the old one out, and only then stopped."""
    healthy_s = new.wait_until_healthy()
    pusher.servers = [old, new]
    readers.rotate([old, new])
    time.sleep(STEADY_S)
    readers.rotate([new])
    time.sleep(DRAIN_S)
    old.stop()
    pusher.servers = [new]
    time.sleep(STEADY_S)
    return healthy_s


def main():
    old_binary, new_binary, project = sys.argv[1:4]
    steps = [("new", new_binary)] if sys.argv[4:] == ["forward"] else [("new", new_binary), ("old again", old_binary)]
    readers, pusher = Readers(), Pusher()
    servers = [Server("old", old_binary, project)]
    try:
        servers[0].wait_until_healthy()
        pusher.servers = [servers[0]]
        pusher.thread.start()
        # The first row is online before reads count.
        time.sleep(2)
        readers.rotate([servers[0]])
        readers.start()
        time.sleep(STEADY_S)
        for name, binary in steps:
            servers.append(Server(name, binary, project))
            healthy_s = replace(servers[-2], servers[-1], readers, pusher)
            print(f"{name}: healthy after {healthy_s:.1f} s")
    finally:
        if readers.threads[0].is_alive():
            readers.end()
        if pusher.thread.is_alive():
            pusher.end()
        for server in servers:
            if server.process.poll() is None:
                server.stop()
    by_server = ", ".join(f"{count:,} by {name}" for name, count in readers.done.items())
    print(f"reads: {sum(readers.done.values()):,} ({by_server}), {len(readers.failed)} failed, slowest {readers.slowest * 1e3:.0f} ms, {readers.overloaded} refused as overload")
    print(f"pushes: {pusher.acknowledged} acknowledged, tried again {pusher.refused} times, longest gap {pusher.longest:.1f} s")
    for failure in readers.failed[:5]:
        print(f"  {failure}", file=sys.stderr)
    print(f"acknowledged={pusher.acknowledged}")
    if readers.failed or len(readers.done) != len(steps) + 1 or min(readers.done.values()) < 100 or pusher.acknowledged < 50:
        sys.exit(1)


main()
