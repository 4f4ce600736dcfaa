#!/usr/bin/env python3
"""A small application behind the proxy: it answers with what Plimsoll told it of the request.

    examples/envoy-demo/upstream.py 8080
"""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Application(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        told = {name: value for name, value in self.headers.items() if name.startswith("x-plimsoll-")}
        body = json.dumps({"path": self.path, **told}, indent=2).encode() + b"\n"
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = answer

    def log_message(self, *_):
        """The proxy's log has it all."""


def serve(port):
    return ThreadingHTTPServer(("127.0.0.1", port), Application)


if __name__ == "__main__":
    serve(int(sys.argv[1])).serve_forever()
