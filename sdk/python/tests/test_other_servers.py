"""Servers that answer something else than this version's server would, or stop in the middle of an answer."""

import socket
import struct
import threading

import pytest

import twinstore as ts

DATA, HEADERS, SETTINGS, PING = 0, 1, 4, 6
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags, stream, payload=b""):
    """A frame of HTTP/2 (RFC 9113, section 4.1)."""
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def fields(**named):
    """Fields of HTTP/2, each as a literal without an index (RFC 7541, section 6.2.2)."""
    out = b""
    for name, value in named.items():
        name, value = name.replace("_", "-").encode(), value.encode()
        out += bytes([0, len(name)]) + name + bytes([len(value)]) + value
    return out


def message(payload):
    """A message of gRPC, not compressed."""
    return struct.pack("!BI", 0, len(payload)) + payload


OK = b"\x88" + fields(content_type="application/grpc")
UNIMPLEMENTED = b"\x88" + fields(content_type="application/grpc", grpc_status="12", grpc_message="unknown method")

#: What comes back on a stream, as frames; ``None`` hangs up.
ANSWERS = {
    "a method that it does not have": [(HEADERS, END_HEADERS | END_STREAM, UNIMPLEMENTED)],
    "bytes that are no answer": [
        (HEADERS, END_HEADERS, OK),
        (DATA, 0, message(b"\xff\xff\xff\xff")),
        (HEADERS, END_HEADERS | END_STREAM, fields(grpc_status="0")),
    ],
    "an answer with nothing in it": [
        (HEADERS, END_HEADERS, OK),
        (DATA, 0, message(b"")),
        (HEADERS, END_HEADERS | END_STREAM, fields(grpc_status="0")),
    ],
    "half an answer": [(HEADERS, END_HEADERS, OK), (DATA, 0, struct.pack("!BI", 0, 100_000) + b"x" * 50), None],
    "an answer without its end": [(HEADERS, END_HEADERS, OK), (DATA, 0, message(b"")), None],
    "no answer": [None],
}


def serve(answers):
    """A server that speaks HTTP/2 and answers each request with these frames."""
    listening = socket.create_server(("127.0.0.1", 0))

    def exactly(connection, count):
        got = b""
        while len(got) < count:
            read = connection.recv(count - len(got))
            if not read:
                raise OSError("the client has gone")
            got += read
        return got

    def talk(connection):
        exactly(connection, len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
        connection.sendall(frame(SETTINGS, 0, 0))
        while True:
            head = exactly(connection, 9)
            length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
            stream = int.from_bytes(head[5:], "big") & 0x7FFFFFFF
            payload = exactly(connection, length)
            if kind == SETTINGS and not flags & ACK:
                connection.sendall(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                connection.sendall(frame(PING, ACK, 0, payload))
            # The whole request has come.
            elif kind in (HEADERS, DATA) and flags & END_STREAM:
                for answer in answers:
                    if answer is None:
                        connection.close()
                        return
                    connection.sendall(frame(*answer[:2], stream, answer[2]))

    def accept():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            try:
                talk(connection)
            except OSError:
                connection.close()

    threading.Thread(target=accept, daemon=True).start()
    return listening


@pytest.mark.parametrize("call", ["features", "push"])
@pytest.mark.parametrize("answers", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_of_another_kind_is_said_in_a_sentence(answers, call):
    listening = serve(answers)
    address = "%s:%d" % listening.getsockname()
    store = ts.Store(f"grpc://{address}")
    with pytest.raises(ts.Error, match=address) as raised:
        if call == "features":
            store.features("everything", {"dest": "LAX"})
        else:
            store.push("clicks", [{"user": 7}])
    listening.close()
    assert "\n" not in str(raised.value) and "panick" not in str(raised.value), raised.value
    print(type(raised.value).__name__, raised.value)
