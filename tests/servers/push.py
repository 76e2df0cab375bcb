#!/usr/bin/python3
"""An HTTP/2 server (prior knowledge, no TLS) that answers each request with a promise first, and sends what it promised when the client says that it has
the answer: by a connection on which it sends nothing and waits for the end. Written frame by frame, because libcurl 7.88 crashes by itself when a pushed stream begins while its
parent is read (nghttpd sends them so).

push.py --port-file FILE
"""
import argparse
import os
import socketserver
import struct
import threading

DATA, HEADERS, SETTINGS, PUSH_PROMISE = 0, 1, 4, 5
END_STREAM = ACK = 1
END_HEADERS = 4
ANSWER = (b'{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-test-1","choices":[{"index":0,'
          b'"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}],'
          b'"usage":{"prompt_tokens":11,"completion_tokens":3,"total_tokens":14}}')


def literal(name, value):
    """A header field of HPACK that is neither indexed nor compressed."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


class Handler(socketserver.StreamRequestHandler):
    def send(self, kind, flags, stream, payload=b""):
        self.wfile.write(struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload)

    def read_frame(self):
        head = self.rfile.read(9)
        if len(head) < 9:
            return None
        return head[3], head[4], struct.unpack("!I", head[5:])[0], self.rfile.read(int.from_bytes(head[:3], "big"))

    def answer(self, stream, promised, authority):
        ok = literal(b":status", b"200") + literal(b"content-type", b"application/json")
        promise = literal(b":method", b"GET") + literal(b":scheme", b"http") + literal(b":path", b"/pushed") + literal(b":authority", authority)
        self.send(PUSH_PROMISE, END_HEADERS, stream, struct.pack("!I", promised) + promise)
        self.send(HEADERS, END_HEADERS, stream, ok)
        self.send(DATA, END_STREAM, stream, ANSWER)
        self.server.answer_taken.acquire(timeout=10)
        self.server.goes_on.release()
        self.send(HEADERS, END_HEADERS, promised, ok)
        self.send(DATA, END_STREAM, promised, b"this was pushed")

    def handle(self):
        if len(self.rfile.read(24)) < 24:  # the client's preface
            self.server.answer_taken.release()
            self.server.goes_on.acquire(timeout=10)
            return
        self.send(SETTINGS, 0, 0)
        promised = 2
        try:
            while (frame := self.read_frame()) is not None:
                kind, flags, stream, _ = frame
                if kind == SETTINGS and not flags & ACK:
                    self.send(SETTINGS, ACK, 0)
                if kind in (HEADERS, DATA) and flags & END_STREAM:
                    self.answer(stream, promised, b"127.0.0.1")
                    promised += 2
        except ConnectionError:
            pass


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    answer_taken, goes_on = threading.Semaphore(0), threading.Semaphore(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--port-file", required=True)
    arguments = parser.parse_args()
    with Server(("127.0.0.1", 0), Handler) as server:
        with open(arguments.port_file + ".new", "w", encoding="ascii") as file:
            file.write(str(server.server_address[1]))
        os.rename(arguments.port_file + ".new", arguments.port_file)
        server.serve_forever()


if __name__ == "__main__":
    main()
