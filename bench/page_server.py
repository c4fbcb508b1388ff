"""A stand-in for Gong with a configurable latency and rate limit.

`python -m bench.page_server` serves until its stdin is closed. It prints its port, and then a line per request: time of
arrival in seconds, status of the response, and path.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections import deque
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from bench.pages import page


class PageServer(ThreadingHTTPServer):
    """Serves the pages of one company.

    Args:
        users: Number of users.
        latency: Seconds per response.
        calls_per_second: Rate limit; 0 for none.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *, users: int, latency: float, calls_per_second: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.users = users
        self.latency = latency
        self._arrived: deque[float] = deque(maxlen=calls_per_second)
        self._lock = threading.Lock()

    def exceeds_limit(self, arrived: float) -> bool:
        """Return whether a request exceeds the limit; one that does doesn't count toward it."""
        with self._lock:
            limit = self._arrived.maxlen
            if limit and len(self._arrived) == limit and arrived - self._arrived[0] < 1.0:
                return True
            self._arrived.append(arrived)
            return False


class Handler(BaseHTTPRequestHandler):
    """The handler of one connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: PageServer

    def do_POST(self) -> None:
        """Respond with a page, or with 429."""
        arrived = time.monotonic()
        document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.exceeds_limit(arrived):
            self._respond(arrived, HTTPStatus.TOO_MANY_REQUESTS, b'{"requestId":"1","errors":["Too many requests"]}')
            return
        dates = document["filter"]
        body = page(self.server.users, dates["fromDate"], dates["toDate"], int(document.get("cursor", 0)))
        time.sleep(max(0.0, arrived + self.server.latency - time.monotonic()))
        self._respond(arrived, HTTPStatus.OK, body)

    def _respond(self, arrived: float, status: HTTPStatus, body: bytes) -> None:
        sys.stdout.write(f"{arrived:.4f} {status.value} {self.path}\n")
        sys.stdout.flush()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status is HTTPStatus.TOO_MANY_REQUESTS:
            self.send_header("Retry-After", "1")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing; each request has a line on stdout."""


def main() -> None:
    """Serve until stdin is closed."""
    options = argparse.ArgumentParser(description="Serve generated pages of Gong's activity.")
    options.add_argument("--users", type=int, required=True, help="number of users")
    options.add_argument("--latency", type=float, default=0.0, help="seconds per response")
    options.add_argument("--calls-per-second", type=int, default=0, help="rate limit; 0 for none")
    arguments = options.parse_args()
    server = PageServer(users=arguments.users, latency=arguments.latency, calls_per_second=arguments.calls_per_second)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
