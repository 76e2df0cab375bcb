#!/usr/bin/python3
"""A small HTTP/1.1 server on loopback for odd situations; tests/e2e/run_clients starts it. Standard library only.

quirks.py --port 0 --port-file F [--tls KEY CERTIFICATE --tls-port-file F]. Every path answers; the query says how: ?do=WHAT, one of the do_
methods below; without it a plain chat completion. Answers are the same for the same request, and name the method, the length and a digest of the body
that arrived. A WebSocket upgrade echoes frames. CONNECT makes a tunnel, to loopback alone.
"""
import argparse
import base64
import gzip
import hashlib
import json
import os
import select
import socket
import socketserver
import ssl
import struct
import threading
import time
from urllib.parse import parse_qs, urlsplit


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.target, self.headers, self.body = method, target, headers, body
        self.what = parse_qs(urlsplit(target).query).get("do", ["plain"])[0]


def completion(request, said=""):
    digest = hashlib.sha256(request.body).hexdigest()[:12]
    return json.dumps({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": "gpt-test-1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": said or f"{request.method} {len(request.body)} {digest}"},
                     "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
    }).encode()


def events(count=4, said="w"):
    def event(value):
        return b"data: " + json.dumps(value).encode() + b"\n\n"
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1700000000, "model": "gpt-test-1"}
    for index in range(count):
        yield event({**head, "choices": [{"index": 0, "delta": {"content": f"{said}{index} "}, "finish_reason": None}]})
    yield event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    yield event({**head, "choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": count, "total_tokens": 11 + count}})
    yield b"data: [DONE]\n\n"


class Handler(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True
    requests = 0  # of this connection

    def head(self, status, *lines, version="1.1"):
        self.wfile.write("\r\n".join([f"HTTP/{version} {status}", *lines, "", ""]).encode())

    def plain(self, body, *lines, status="200 OK"):
        self.head(status, "Content-Type: application/json", f"Content-Length: {len(body)}", *lines)
        self.wfile.write(body)

    def chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def stream(self, pieces, pause_s=0.0, content_type="text/event-stream", trailers=b""):
        self.head("200 OK", f"Content-Type: {content_type}", "Transfer-Encoding: chunked")
        for piece in pieces:
            self.chunk(piece)
            if pause_s:
                time.sleep(pause_s)
        self.wfile.write(b"0\r\n" + trailers + b"\r\n")

    def read_body(self, headers):
        if headers.get("expect", "").lower() == "100-continue":
            self.head("100 Continue")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(headers.get("content-length", 0)))

    def handle(self):
        try:
            while self.one():
                pass
        except (ConnectionError, ValueError):
            pass

    def one(self):
        line = self.rfile.readline().decode("latin-1").split()
        if len(line) != 3:
            return False
        headers = {}
        while (header := self.rfile.readline().decode("latin-1").strip()):
            name, _, value = header.partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("upgrade", "").lower() == "websocket":
            return self.websocket(headers)
        if line[0] == "CONNECT":
            return self.tunnel(line[1])
        request = Request(line[0], line[1], headers, self.read_body(headers))
        self.requests += 1
        done = getattr(self, "do_" + request.what, self.do_plain)(request)
        return done is not False and headers.get("connection", "").lower() != "close"

    def do_plain(self, request):
        body = completion(request)
        if request.method == "HEAD":
            self.head("200 OK", "Content-Type: application/json", f"Content-Length: {len(body)}")
        else:
            self.plain(body)

    def do_sse(self, request):
        self.stream(events())

    def do_cut(self, request):
        self.stream(bytes([byte]) for event in events(2) for byte in event)

    def do_slow(self, request):
        self.stream(events(), pause_s=0.03)

    def do_redirect(self, request):
        self.plain(b"elsewhere", "Location: " + request.target.replace("do=redirect", "do=plain"), status="307 Temporary Redirect")

    def do_digest(self, request):
        if request.headers.get("authorization", "").startswith("Digest "):
            self.do_plain(request)
        else:
            self.plain(b"who?", 'WWW-Authenticate: Digest realm="r", nonce="n", qop="auth"', status="401 Unauthorized")

    def do_dies(self, request):
        """A connection that is kept alive and dead when it is used again: the request has to be sent once more, on a new one."""
        if self.requests > 1:
            return False
        self.do_plain(request)
        return True

    def do_gzip(self, request):
        self.plain(gzip.compress(completion(request), mtime=0), "Content-Encoding: gzip")

    def do_http10(self, request):
        self.head("200 OK", "Content-Type: application/json", version="1.0")
        self.wfile.write(completion(request))
        return False

    def do_http09(self, request):
        self.wfile.write(completion(request))
        return False

    def do_trailers(self, request):
        self.stream([completion(request)], content_type="application/json", trailers=b"X-Checksum: 1\r\nX-Last: {]\r\n")

    def do_trailers_sse(self, request):
        self.stream(events(), trailers=b"X-Checksum: 1\r\nX-Last: {]\r\n")

    def do_see_other(self, request):
        self.plain(b"elsewhere", "Location: " + request.target.replace("do=see_other", "do=plain"), status="303 See Other")

    def do_error(self, request):
        error = {"error": {"message": "Rate limit reached", "type": "requests", "param": None, "code": "rate_limit_exceeded"}}
        self.plain(json.dumps(error).encode(), "Retry-After: 20", status="429 Too Many Requests")

    def do_early(self, request):
        self.head("200 OK", "Content-Type: application/json", "Content-Length: 1000")
        self.wfile.write(b'{"id": "chatcmpl-1"')
        return False

    def do_hang(self, request):
        self.head("200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked")
        self.chunk(next(events()))
        self.connection.settimeout(5)
        try:
            self.connection.recv(1)
        except TimeoutError:
            pass
        return False

    def do_big(self, request):
        self.plain(bytes(range(256)) * 4096 * 3)

    def do_huge(self, request):
        self.plain(bytes(range(256)) * 4096 * 64)

    def do_cookie(self, request):
        self.plain(completion(request), "Set-Cookie: session=planted-secret-set-cookie; Path=/", "X-Request-Id: req-1")

    def do_echo(self, request):
        """The request's body as content of the answer, in its error, or in a stream."""
        self.plain(completion(request, request.body.decode()))

    def told(self, request):
        """What the request's ?of= names: a header's value, the words of Basic authentication, a parameter or a segment of the path."""
        parts = urlsplit(request.target)
        query = parse_qs(parts.query)
        of = query.get("of", ["authorization"])[0]
        value = request.headers.get(of) or query.get(of, [""])[0] or (parts.path.split("/")[1] if of == "path" else "")
        if value.lower().startswith("basic "):
            return base64.b64decode(value[6:]).decode().partition(":")[2]
        return value.rpartition(" ")[2].rpartition("=")[2]

    def do_echo_fields(self, request):
        """In each field of an answer that is no text, and in its headers."""
        said = self.told(request)
        call = {"id": said, "type": "function", "function": {"name": said, "arguments": "{}"}}
        body = {"id": said, "object": said, "model": said, "system_fingerprint": said, "service_tier": said, "provider": said,
                "choices": [{"index": 0, "message": {"role": said, "content": said, "tool_calls": [call]}, "finish_reason": said}],
                "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
        self.plain(json.dumps(body).encode(), f"X-Request-Id: {said}", f"X-Gemini-Service-Tier: {said}", f"Openai-Organization: {said}",
                   f"Retry-After: {said}", f"Openai-Processing-Ms: {said}", f"X-Ratelimit-Limit-Requests: {said}", f"Server-Timing: {said};dur=1")

    def do_echo_fault(self, request):
        said = self.told(request)
        error = {"error": {"message": said, "type": said, "param": said, "code": said, "status": said}, "id": said, "model": said, "type": said}
        self.plain(json.dumps(error).encode(), f"X-Amzn-Errortype: {said}", status="401 Unauthorized")

    def do_echo_error(self, request):
        error = {"error": {"message": request.body.decode(), "type": "invalid_request_error", "param": None, "code": "bad"}}
        self.plain(json.dumps(error).encode(), status="400 Bad Request")

    def do_echo_sse(self, request):
        self.stream(events(2, request.body.decode()))

    def do_empty(self, request):
        self.plain(b"")

    def do_hints(self, request):
        self.head("103 Early Hints", "Link: </style.css>")
        self.do_plain(request)

    def tunnel(self, target):
        host, _, port = target.rpartition(":")
        if host != "127.0.0.1":
            self.plain(b"no way", status="403 Forbidden")
            return False
        with socket.create_connection((host, int(port))) as other:
            self.head("200 Connection established", "X-Tunnel: yes")
            ends = {self.connection: other, other: self.connection}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return False
                    ends[end].sendall(data)

    def websocket(self, headers):
        key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.head("101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}")
        while True:
            first, second = self.rfile.read(2)
            length = second & 127
            if length == 126:
                length = struct.unpack("!H", self.rfile.read(2))[0]
            mask = self.rfile.read(4)
            data = bytes(byte ^ mask[index % 4] for index, byte in enumerate(self.rfile.read(length)))
            self.wfile.write(bytes([first, len(data)]) + data)
            if first & 15 == 8:
                return False


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256


class TlsServer(Server):
    context = None

    def finish_request(self, request, client_address):
        """On the connection's own thread; a client that refuses the certificate is no news."""
        try:
            request = self.context.wrap_socket(request, server_side=True)
        except (ssl.SSLError, OSError):
            return
        super().finish_request(request, client_address)


def write_port(file_name, server):
    with open(file_name + ".new", "w") as file:
        file.write(f"{server.server_address[1]}\n")
    os.rename(file_name + ".new", file_name)


def serve_tls(key, certificate, port_file):
    server = TlsServer(("127.0.0.1", 0), Handler)
    server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.context.load_cert_chain(certificate, key)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    write_port(port_file, server)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file")
    parser.add_argument("--tls", nargs=2, metavar=("KEY", "CERTIFICATE"))
    parser.add_argument("--tls-port-file")
    arguments = parser.parse_args()
    if arguments.tls:
        serve_tls(*arguments.tls, arguments.tls_port_file)
    with Server(("127.0.0.1", arguments.port), Handler) as server:
        if arguments.port_file:
            write_port(arguments.port_file, server)
        server.serve_forever()


if __name__ == "__main__":
    main()
