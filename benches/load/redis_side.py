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


def sizes(port):
    """The bytes of a row's key and of its value."""
    for _ in range(1000):
        key = cli(port, "randomkey").strip()
        length = cli(port, "strlen", key).strip()
        if length.isdigit() and key.startswith("tw:"):
            return len(key), int(length)
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
