"""Who takes part: servers that are started once and stay up, idle while others are measured, and the way
in which the load generator asks each."""

import json
import os
import subprocess
import time
from dataclasses import dataclass

import project
import redis_side
from process import busy_seconds, cpu_seconds, free_port, pinned, serving, tell

TWINSTORE, OVER_REDIS = "twinstore, gRPC", "twinstore over Redis, gRPC"
HTTP, FEAST_HTTP = "twinstore, HTTP /v1/features", "twinstore, HTTP /get-online-features"
ECHO, ECHO_MESSAGES = "echo of bytes, gRPC", "echo of messages, gRPC"
FEAST, FEAST_ALL_CORES = "Feast, HTTP", "Feast on all cores, HTTP"
MGET = "redis-benchmark, MGET"
ROWS = "rows of ten features loaded, a second"
BYTES = "bytes of a feature in Redis"


@dataclass(frozen=True)
class Contender:
    name: str
    kind: str  # as cases name it
    protocol: str
    port: int
    cores: list
    processes: list  # the server's, and of what it reads from


class Servers:
    """Starts contenders, each into the stack that stops it."""

    def __init__(self, args, stack, generator, cores, data):
        self.args, self.stack, self.generator, self.cores, self.data = args, stack, generator, cores, data
        self.logs = args.root / "logs"
        self.logs.mkdir(parents=True, exist_ok=True)
        self.loads = {}

    def all(self):
        grpc, http, process = self.twinstore("embedded", None, TWINSTORE)
        taking_part = [
            Contender(TWINSTORE, "twinstore", "grpc", grpc, self.cores, [process]),
            Contender(HTTP, "http", "http", http, self.cores, [process]),
        ]
        if self.args.feast_protocol:
            taking_part.append(Contender(FEAST_HTTP, "http", "feast", http, self.cores, [process]))
        if self.args.redis:
            taking_part += self.over_redis()
        if self.args.feast:
            taking_part += self.feast()
        return taking_part

    def over_redis(self):
        """A server whose rows lie in Redis, and a Redis with as many keys and as large values."""
        port, redis = redis_side.started(self.stack, self.cores, self.args.root)
        before = redis_side.memory(port)

        def after_first():
            memory = redis_side.memory(port) - before
            self.loads[f"{OVER_REDIS}: {BYTES}"] = memory / self.data.entities["ten"] / 10
            self.row_bytes = redis_side.row_bytes(port)
            self.loads["bytes of a row of ten features in Redis, and of a value that MGET reads"] = self.row_bytes

        grpc, _, process = self.twinstore("redis", f"redis://127.0.0.1:{port}", OVER_REDIS, after_first)
        plain, plain_redis = redis_side.started(self.stack, self.cores, self.args.root)
        redis_side.filled(plain, self.data.entities["ten"], self.row_bytes)
        return [
            Contender(OVER_REDIS, "redis", "grpc", grpc, self.cores, [process, redis]),
            Contender(MGET, "redis", "mget", plain, self.cores, [plain_redis]),
        ]

    def twinstore(self, name, online_url, contender, after_first=lambda: None):
        """A server over a loaded project: its ports of gRPC and HTTP, and its process."""
        folder = self.args.root / "projects" / f"{name}-{self.data.name}"
        if online_url:
            # Redis keeps nothing from one run to the next.
            (folder / "loaded.json").unlink(missing_ok=True)
        where = (folder, self.args.twinstore)
        seconds = project.loaded(*where, self.data.paths, online_url, after_first)
        self.loads[f"{contender}: {ROWS}"] = self.data.entities["ten"] / seconds["ten"]
        grpc, http = free_port(), free_port()
        addresses = {
            "TWINSTORE_SERVE_GRPC": f"127.0.0.1:{grpc}",
            "TWINSTORE_SERVE_HTTP": f"127.0.0.1:{http}",
            # All rows fit: two million of twenty views take a little more than the default.
            "TWINSTORE_SERVE_HOT_BYTES": str(2 << 30),
        }
        command = [self.args.twinstore, "--project", folder, "serve"]
        log, env = self.logs / f"twinstore-{name}.log", {**os.environ, **addresses}
        return grpc, http, self.stack.enter_context(serving(command, self.cores, http, log, env=env))

    def feast(self):
        port, redis = redis_side.started(self.stack, self.cores, self.args.root)
        folder = self.args.root / "projects" / "feast"
        before = redis_side.memory(port)
        tell("feast materialize, ten features")
        seconds = self.materialized(folder, port, "ten")["ten"]
        entities = self.data.entities["ten"]
        self.loads[f"{FEAST}: {ROWS}"] = entities / seconds
        self.loads[f"{FEAST}: {BYTES}"] = (redis_side.memory(port) - before) / entities / 10
        tell("feast materialize, all other views")
        self.materialized(folder, port, "flat")
        found = [self.feast_server(FEAST, folder, self.cores, redis)]
        if self.args.feast_all_cores:
            found.append(self.feast_server(FEAST_ALL_CORES, folder, sorted({*self.cores, *self.generator}), redis))
        return found

    def feast_server(self, name, folder, to, redis):
        port, workers = free_port(), self.args.feast_workers
        # Without its access log it is faster.
        options = ["-w", workers, "--max-requests", 0, "--no-access-log", "-p", port]
        command = [self.args.root.parent / "feast-online" / "bin" / "feast", "-c", folder, "serve", *options]
        log = self.logs / f"feast-{len(to)}.log"
        # A connection stays with the worker that took it: all must be there before the first.
        wanted = {"said": "Application startup complete", "times": workers}
        process = self.stack.enter_context(serving(command, to, port, log, wanted=wanted))
        return Contender(name, "feast", "feast", port, to, [process, redis])

    def materialized(self, folder, port, which):
        paths = json.dumps({name: str(path) for name, path in self.data.paths.items()})
        script = self.args.here / "feast_peer.py"
        command = [self.args.root.parent / "feast-online" / "bin" / "python", script, folder, paths, port, which]
        ended = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if ended.returncode != 0:
            raise RuntimeError(f"feast materialize failed:\n{ended.stderr[-2000:]}")
        return json.loads(ended.stdout.strip().splitlines()[-1])

    def echo(self, answer, messages):
        """A server for one case, with that case's answer."""
        port, more = free_port(), ["--messages"] if messages else []
        command = [self.args.echo, "--listen", f"127.0.0.1:{port}", "--answer", answer, *more]
        name = ECHO_MESSAGES if messages else ECHO
        process = self.stack.enter_context(serving(command, self.cores, port, self.logs / f"echo-{port}.log"))
        return Contender(name, "echo", "grpc", port, self.cores, [process])


def load(args, contender, case, entities, generator, more):
    """What the load generator saw, what it cost the server, and how much of the server's cores went to
    work of others meanwhile."""
    protocol = ["--protocol", contender.protocol, "--address", f"127.0.0.1:{contender.port}", "--entities", entities]
    connections = 8 if contender.protocol == "grpc" else 64
    command = [args.load, *protocol, *case.ask, "--connections", connections, "--streams", 8, *more]
    command += ["--check-every", 0 if contender.kind == "echo" else 256]
    busy, own, began = busy_seconds(contender.cores), cpu_seconds(contender.processes), time.monotonic()
    ended = subprocess.run(pinned(command, generator), capture_output=True, text=True)
    if ended.returncode != 0:
        raise RuntimeError(f"{contender.name}, {case.name}: {ended.stderr.strip()}")
    busy, own = busy_seconds(contender.cores) - busy, cpu_seconds(contender.processes) - own
    if set(generator) <= set(contender.cores):
        # The generator never rests, and nobody can tell here what of its core it had.
        busy = own
    others = max(0.0, busy - own) / (time.monotonic() - began) / len(contender.cores)
    seen = json.loads(ended.stdout)
    return seen | {"cpu_us": own * 1e6 / seen["answered"], "others": others}
