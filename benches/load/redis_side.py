"""A Redis of its own, and the peer of a load into it: pipelined writes of as many keys and values of the same size."""

import contextlib
import subprocess
import tempfile
import time


@contextlib.contextmanager
def server():
    """An empty server; gives its port."""
    port = subprocess.run(["scripts/free-port"], check=True, capture_output=True, text=True).stdout.strip()
    with tempfile.TemporaryDirectory() as folder:
        options = ["--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        process = subprocess.Popen(["redis-server", *options], cwd=folder, stdout=subprocess.DEVNULL)
        try:
            while "PONG" not in cli(port, "ping"):
                time.sleep(0.01)
            yield port
        finally:
            process.terminate()
            process.wait()


def cli(port, *command):
    return subprocess.run(["redis-cli", "-p", port, *command], capture_output=True, text=True).stdout


# Keys are bytes, so the server measures them: the begin of one, its length, and that of its value, -1 if it is no string.
MEASURE = """
local key = redis.call('randomkey')
local is_string = redis.call('type', key)['ok'] == 'string'
return {string.sub(key, 1, 3), string.len(key), is_string and redis.call('strlen', key) or -1}
"""


def sizes(port):
    """The bytes of a row's key and of its value."""
    for _ in range(1000):
        begin, key_bytes, value_bytes = cli(port, "eval", MEASURE, "0").split()
        if begin == "tw:" and int(value_bytes) >= 0:
            return int(key_bytes), int(value_bytes)
    raise SystemExit("no row was found in Redis")


def pipelined(folder, rows, key_bytes, value_bytes):
    """Seconds in which an empty server takes so many `SET`s, all in one pipeline."""
    commands = f"{folder}/commands"
    value = b"v" * value_bytes
    with open(commands, "wb") as file:
        for row in range(rows):
            key = b"%0*d" % (key_bytes, row)
            file.write(b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(key), key, value_bytes, value))
    with server() as port, open(commands, "rb") as file:
        began = time.perf_counter()
        subprocess.run(["redis-cli", "-p", port, "--pipe"], stdin=file, stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - began
