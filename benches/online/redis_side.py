"""Redis: a server for each contender, how much memory it takes, and what it does when driven by its own
benchmark with MGETs of as many keys and as large values."""

import csv
import io
import shutil
import statistics
import subprocess

from process import free_port, pinned, serving

FILL = """
for i = tonumber(ARGV[1]), tonumber(ARGV[2]) do
    redis.call('SET', string.format('key:%012d', i), ARGV[3])
end
"""
# Inside Redis, since keys of rows are any bytes.
ANY_SIZE = """
local key = redis.call('RANDOMKEY')
return redis.call('TYPE', key).ok == 'string' and redis.call('STRLEN', key) or 0
"""
FILL_AT_ONCE = 50_000


def installed():
    return shutil.which("redis-server") and shutil.which("redis-benchmark")


def started(stack, to, folder):
    """A server that keeps nothing on disk: its port and its process."""
    port, folder = free_port(), folder / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    keep_nothing = ["--save", "", "--appendonly", "no", "--dir", folder]
    command = ["redis-server", "--port", port, "--bind", "127.0.0.1", *keep_nothing]
    return port, stack.enter_context(serving(command, to, port, folder / f"{port}.log"))


def ask(port, *words):
    command = ["redis-cli", "-p", str(port), *map(str, words)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def memory(port):
    """Bytes that the data takes, with Redis's own overhead of keys and allocation."""
    said = dict(line.split(":", 1) for line in ask(port, "INFO", "memory").splitlines() if ":" in line)
    return int(said["used_memory"]) - int(said["used_memory_startup"])


def row_bytes(port):
    """The usual size of a value, of some that are drawn at random."""
    return statistics.median_high(int(ask(port, "EVAL", ANY_SIZE, 0)) for _ in range(21))


def filled(port, keys, size):
    """Keys for `mgets`, each with a value of this size."""
    for first in range(0, keys, FILL_AT_ONCE):
        ask(port, "EVAL", FILL, 0, first, min(first + FILL_AT_ONCE, keys) - 1, "x" * size)


def mgets(port, keys, batch, to, seconds):
    """MGETs a second of `batch` random keys, over 64 connections."""
    few = 2_000
    rate = benchmark(port, keys, batch, to, few)
    return benchmark(port, keys, batch, to, max(few, int(rate * seconds)))


def benchmark(port, keys, batch, to, count):
    command = ["redis-benchmark", "-p", port, "-c", 64, "-n", count, "-r", keys, "--csv", "MGET"]
    command = pinned([*command, *["key:__rand_int__"] * batch], to)
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(next(csv.DictReader(io.StringIO(said)))["rps"])
