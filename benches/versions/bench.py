"""A service that is cut over and rolled back under steady reads, and pushes beside a backfill.

Reads are sent at their rate, whatever the answers take, over 16 connections, and each answer is checked: the
version that it names has to be the version of each of its values.
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

ENTITIES = 200
CONNECTIONS = 16
KEYS_A_READ = 20
# What version 2 adds to each value: no value of one version is one of the other.
SHIFT = 1_000_000
PUSHES_A_SECOND = 50

DEFINITIONS = """
kind: entity
name: device
keys: {device: int64}
---
kind: source
name: readings
schema: {device: int64, at: timestamp, x: float64}
event_time: at
batch: {path: readings.csv}
---
kind: feature_view
name: values
version: 1
entity: device
source: readings
features: {x: {latest: x}, y: {latest: x}}
---
kind: feature_view
name: values
version: 2
entity: device
source: readings
features: {x: {latest: "x + 1000000"}, y: {latest: "x + 1000000"}}
---
kind: source
name: clicks
schema: {device: int64, at: timestamp, x: float64}
event_time: at
stream: {topic: clicks, format: json}
---
kind: feature_view
name: live
version: 1
entity: device
source: clicks
features: {clicks_1h: {aggregate: count, window: 1h}}
---
kind: source
name: past
schema: {device: int64, at: timestamp, x: float64}
event_time: at
batch: {path: past.csv}
---
kind: feature_view
name: history
version: 1
entity: device
source: past
features: {mean_7d: {aggregate: mean(x), window: 7d}, last: {latest: x}}
---
kind: feature_service
name: s
version: 1
features: [{from: values@1}]
"""
SECOND = """
---
kind: feature_service
name: s
version: 2
features: [{from: values@2}]
"""


def write_rows(path, rows, entities):
    begin = datetime(2024, 1, 1, tzinfo=timezone.utc)
    step = timedelta(days=60) / rows
    with open(path, "w") as file:
        file.write("device,at,x\n")
        for row in range(rows):
            file.write(f"{row % entities},{(begin + step * row).isoformat()},{row % 997}.25\n")


class Server:
    def __init__(self, binary, folder):
        self.twinstore = [binary, "--project", str(folder)]
        free = {"TWINSTORE_SERVE_GRPC": "127.0.0.1:0", "TWINSTORE_SERVE_HTTP": "127.0.0.1:0"}
        log = folder / "serve.log"
        with open(log, "w") as file:
            self.process = subprocess.Popen([*self.twinstore, "serve"], stderr=file, stdout=file, env=os.environ | free)
        while (found := re.search(r"HTTP 127\.0\.0\.1:(\d+)", log.read_text())) is None:
            if self.process.poll() is not None:
                sys.exit(f"the server ended: {log.read_text()}")
            time.sleep(0.05)
        self.port = int(found[1])

    def end(self):
        self.process.terminate()
        self.process.wait()


class Connection:
    def __init__(self, port):
        self.port = port
        self.reader = None
        self.busy = asyncio.Lock()

    async def post(self, path, body):
        async with self.busy:
            if self.reader is None:
                self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
            body = json.dumps(body).encode()
            head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n"
            self.writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            status = int((await self.reader.readline()).split()[1])
            length = 0
            while (line := await self.reader.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            return status, json.loads(await self.reader.readexactly(length))


async def command(words):
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    if process.returncode:
        sys.exit(f"{' '.join(words)}: {said.decode()}")


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


class Reads:
    """Steady reads, and what was wrong with their answers."""

    def __init__(self, port, rate):
        self.connections = [Connection(port) for _ in range(CONNECTIONS)]
        self.rate = rate
        self.errors, self.mixed = [], 0
        self.answers = []
        self.stopped = False

    async def one(self, number):
        devices = [(number * 7 + key) % ENTITIES for key in range(KEYS_A_READ)]
        began = time.monotonic()
        status, answer = await self.connections[number % CONNECTIONS].post(
            "/v1/features", {"service": "s", "entities": {"device": devices}}
        )
        if status != 200:
            self.errors.append(answer)
            return
        version = int(answer["service"].rsplit("@", 1)[1])
        values = [value for column in answer["columns"].values() for value in column["values"]]
        assert len(values) == 2 * KEYS_A_READ, answer
        self.mixed += any((value >= SHIFT) != (version == 2) for value in values)
        self.answers.append((began, time.monotonic(), version))

    async def run(self):
        began, sent, tasks = time.monotonic(), 0, set()
        while not self.stopped:
            while sent < (time.monotonic() - began) * self.rate:
                task = asyncio.create_task(self.one(sent))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                sent += 1
            await asyncio.sleep(0.001)
        await asyncio.gather(*tasks)
        self.seconds = time.monotonic() - began

    def last_sent_to(self, version, since, until):
        """When the last read was sent that this version answered; `since` if none was."""
        sent = [began for began, _, by in self.answers if by == version and since <= began < until]
        return max(sent, default=since)


async def cutover(server, rate):
    reads = Reads(server.port, rate)
    reading = asyncio.create_task(reads.run())
    await asyncio.sleep(3)
    moved = []
    for words, old in (
        (["cutover", "s@2", "--override", "a bench"], 1),
        (["rollback", "s", "--reason", "a bench"], 2),
    ):
        began = time.monotonic()
        await command([*server.twinstore, *words])
        moved.append((words[0], old, began, time.monotonic()))
        await asyncio.sleep(3)
    reads.stopped = True
    await reading
    ends = [began for _, _, began, _ in moved[1:]] + [time.monotonic()]
    for (name, old, began, ended), until in zip(moved, ends):
        last = reads.last_sent_to(old, began, until)
        print(
            f"{name}: the command took {ended - began:.2f} s; the last old answer came to a read"
            f" {last - began:.2f} s after its begin, {last - ended:+.2f} s after its end"
        )
    took = [ended - began for began, ended, _ in reads.answers]
    print(
        f"{len(reads.answers):,} reads at {len(reads.answers) / reads.seconds:,.0f}/s, {KEYS_A_READ} keys each:"
        f" {len(reads.errors)} errors, {reads.mixed} mixed answers,"
        f" p50 {percentile(took, 0.5) * 1e3:.1f} ms, p99 {percentile(took, 0.99) * 1e3:.1f} ms"
    )
    if reads.errors or reads.mixed:
        sys.exit(f"a cutover was seen: {reads.errors[:1]}")


class Pushes:
    """Steady pushes, each of which waits until its row can be read."""

    def __init__(self, port):
        self.connections = [Connection(port) for _ in range(CONNECTIONS)]
        self.took = []
        self.stopped = False

    async def one(self, number):
        began = time.monotonic()
        row = {"device": number % ENTITIES, "at": datetime.now(timezone.utc).isoformat(), "x": 1.0}
        status, answer = await self.connections[number % CONNECTIONS].post(
            "/v1/push", {"source": "clicks", "rows": [row], "wait": "online"}
        )
        assert status == 200, answer
        self.took.append(time.monotonic() - began)

    async def run(self):
        began, sent, tasks = time.monotonic(), 0, set()
        while not self.stopped:
            while sent < (time.monotonic() - began) * PUSHES_A_SECOND:
                task = asyncio.create_task(self.one(sent))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                sent += 1
            await asyncio.sleep(0.002)
        await asyncio.gather(*tasks)

    async def during(self, work):
        """How long pushes took while this ran, in order."""
        self.took = []
        await work
        return sorted(self.took)


async def freshness(server, rows):
    pushes = Pushes(server.port)
    pushing = asyncio.create_task(pushes.run())
    await asyncio.sleep(3)
    before = await pushes.during(asyncio.sleep(15))
    began = time.monotonic()
    beside = await pushes.during(command([*server.twinstore, "backfill", "history@1"]))
    seconds = time.monotonic() - began
    pushes.stopped = True
    await pushing
    alone, loaded = percentile(before, 0.99), percentile(beside, 0.99)
    print(
        f"{PUSHES_A_SECOND} pushes/s until their row can be read: p99 {alone * 1e3:.0f} ms alone,"
        f" {loaded * 1e3:.0f} ms beside a backfill of {rows:,} rows in {seconds:.1f} s:"
        f" {loaded / alone:.1f} times"
    )


def main():
    binary, rate, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "features").mkdir()
        (folder / "features" / "all.yaml").write_text(DEFINITIONS)
        write_rows(folder / "readings.csv", 2000, ENTITIES)
        write_rows(folder / "past.csv", rows, 100_000)
        twinstore = [binary, "--project", str(folder)]
        for words in (["apply"], ["backfill", "values@1", "values@2"]):
            subprocess.run([*twinstore, *words], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        (folder / "features" / "all.yaml").write_text(DEFINITIONS + SECOND)
        subprocess.run([*twinstore, "apply"], check=True, stdout=subprocess.DEVNULL)
        server = Server(binary, folder)
        try:
            asyncio.run(cutover(server, rate))
            asyncio.run(freshness(server, rows))
        finally:
            server.end()


main()
