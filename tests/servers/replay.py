#!/usr/bin/python3
"""Serves exchanges of our own fixtures or recorded ones: which one the request says (X-Replay-Id), and in what shape (X-Replay-Delivery).

For tests/e2e/replay; loopback only, a thread per connection, standard library only. Nothing of the traffic is interpreted: recorded status,
headers and body go out, framed and cut as asked. Hop-by-hop headers and those that describe another framing are left out.

A delivery is shape[+encoding]; shapes: length, recorded, bytes, random, close (HTTP/1.0), cut (the connection ends early), and encodings: gzip,
deflate, br, zstd. What went over the wire is written to --log, one JSON object per response: id, request and response bytes as libcurl
counts them (framing of chunks is not counted), bytes of the entity sent.
"""
import argparse
import ctypes
import functools
import json
import random
import socket
import sys
import threading
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import corpus  # noqa: E402

HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
              "transfer-encoding", "upgrade", "content-length", "content-encoding", "http2-settings"}


def brotli(data):
    library = ctypes.CDLL("libbrotlienc.so.1")
    room = ctypes.c_size_t(len(data) + len(data) // 2 + 1024)
    out = ctypes.create_string_buffer(room.value)
    if not library.BrotliEncoderCompress(5, 22, 0, ctypes.c_size_t(len(data)), data, ctypes.byref(room), out):
        raise OSError("brotli")
    return out.raw[:room.value]


def zstandard(data):
    library = ctypes.CDLL("libzstd.so.1")
    library.ZSTD_compress.restype = ctypes.c_size_t
    room = len(data) + len(data) // 2 + 1024
    out = ctypes.create_string_buffer(room)
    written = library.ZSTD_compress(out, ctypes.c_size_t(room), data, ctypes.c_size_t(len(data)), 3)
    return out.raw[:written]


def zlib_flushed(data, sizes, bits):
    """Compressed as servers of streams do it: what was written so far can be read at the end of each piece."""
    encoder, out, at = zlib.compressobj(6, zlib.DEFLATED, bits), b"", 0
    for size in sizes:
        out += encoder.compress(data[at:at + size]) + encoder.flush(zlib.Z_SYNC_FLUSH)
        at += size
    return out + encoder.compress(data[at:]) + encoder.flush()


def encode(data, name, sizes):
    if name == "gzip":
        return zlib_flushed(data, sizes, 31)
    if name == "deflate":
        return zlib_flushed(data, sizes, 15)
    return {"br": brotli, "zstd": zstandard}[name](data)


def random_sizes(total, seed):
    cuts = random.Random(seed)
    while total > 0:
        size = min(total, cuts.randint(1, 40) if cuts.randrange(8) else cuts.randint(1, 4000))
        yield size
        total -= size


def cut_place(record_id, total):
    """Where the delivery `cut` ends: after at least a byte, before the last one."""
    return random.Random(record_id).randint(1, max(1, total - 1))


def piece_sizes(shape, record, body):
    if shape == "bytes":
        return [1] * len(body)
    recorded = record["response"].get("chunk_sizes")
    if shape == "recorded" and recorded and sum(recorded) == len(body):
        return [size for size in recorded if size]
    return list(random_sizes(len(body), record["id"]))


def chunked(body, sizes):
    out, at = [], 0
    for size in sizes:
        out.append(b"%x\r\n" % size + body[at:at + size] + b"\r\n")
        at += size
    return out + [b"0\r\n\r\n"]


def answer(record, delivery):
    """(pieces to send one by one, bytes of header, bytes of entity, close afterwards)"""
    shape, _, encoding = delivery.partition("+")
    response = record["response"]
    body = response["body"]
    headers = [(k, v) for k, v in response["headers"].items() if k.lower() not in HOP_BY_HOP]
    if encoding:
        body = encode(body, encoding, response.get("chunk_sizes") or [])
        headers.append(("Content-Encoding", encoding))
    kept = body[:cut_place(record["id"], len(body))] if shape == "cut" else body
    if response["status"] in (204, 304):  # these end with their headers, whatever was recorded (RFC 9110, 6.4.1)
        kept, pieces = b"", []
    elif shape in ("length", "cut"):
        headers.append(("Content-Length", str(len(body))))
        pieces = [kept]
    elif shape == "close":
        pieces = [kept]
    else:
        headers.append(("Transfer-Encoding", "chunked"))
        pieces = chunked(body, piece_sizes(shape, record, body))
    version = "HTTP/1.0" if shape == "close" else "HTTP/1.1"
    head = f"{version} {response['status']} Recorded\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers) + "\r\n"
    head = head.encode("utf-8")
    return [head, *pieces], len(head), len(kept), shape in ("close", "cut")


class Server:
    """The same answer goes out twice, without the shim and with it, and is made once."""

    def __init__(self, directory, log):
        self.records = {record["id"]: record for record in corpus.records(directory)}
        self.log = open(log, "w", encoding="utf-8")
        self.lock = threading.Lock()
        self.answer = functools.lru_cache(maxsize=2048)(lambda name, delivery: answer(self.records[name], delivery))

    def exchange(self, connection, reader):
        """False when the connection is over."""
        head = b""
        for line in reader:
            head += line
            if line == b"\r\n":
                break
        if not head.endswith(b"\r\n\r\n"):
            return False
        headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])}
        body = reader.read(int(headers.get("content-length", 0)))
        name = headers.get("x-replay-id", "")
        if name not in self.records:
            connection.sendall(b"HTTP/1.1 421 Unknown\r\nContent-Length: 0\r\n\r\n")
            return True
        pieces, header_bytes, entity_bytes, close = self.answer(name, headers["x-replay-delivery"])
        row = {"id": name, "request": len(head) + len(body), "response": header_bytes + entity_bytes, "entity": entity_bytes}
        with self.lock:
            self.log.write(json.dumps(row) + "\n")
            self.log.flush()
        connection.sendall(pieces[0])
        for at in range(1, len(pieces), 64):
            connection.sendall(b"".join(pieces[at:at + 64]))
        return not close

    def serve(self, connection):
        with connection, connection.makefile("rb") as reader:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while self.exchange(connection, reader):
                    pass
            except (ConnectionError, BrokenPipeError):
                pass  # a client that cancels


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--exchanges", required=True)
    arguments.add_argument("--port-file", required=True)
    arguments.add_argument("--log", required=True)
    chosen = arguments.parse_args()
    server = Server(chosen.exchanges, chosen.log)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    ready = Path(chosen.port_file + ".new")
    ready.write_text(str(listener.getsockname()[1]))
    ready.rename(chosen.port_file)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=server.serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
