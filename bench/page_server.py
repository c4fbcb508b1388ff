"""A stand-in for Gong that answers at once, or as slowly and as strictly as it is told.

`python -m bench.page_server` serves until its stdin is closed, and prints its port first and a line for each request:
when it arrived, in seconds, the status of its answer, and its path.
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
        users: How many users it has.
        seconds: How long an answer takes.
        calls_per_second: How many requests may arrive in any second; 0 for any number.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, *, users: int, seconds: float, calls_per_second: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.users = users
        self.seconds = seconds
        self._arrived: deque[float] = deque(maxlen=calls_per_second)
        self._lock = threading.Lock()

    def is_too_soon(self, arrived: float) -> bool:
        """Whether a request comes above the limit; those that do not count towards it."""
        with self._lock:
            limit = self._arrived.maxlen
            if limit and len(self._arrived) == limit and arrived - self._arrived[0] < 1.0:
                return True
            self._arrived.append(arrived)
            return False


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: PageServer

    def do_POST(self) -> None:
        """Answer with a page, or with 429."""
        arrived = time.monotonic()
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.is_too_soon(arrived):
            self._answer(arrived, HTTPStatus.TOO_MANY_REQUESTS, b'{"requestId":"1","errors":["Too many requests"]}')
            return
        dates = asked["filter"]
        body = page(self.server.users, dates["fromDate"], dates["toDate"], int(asked.get("cursor", 0)))
        time.sleep(max(0.0, arrived + self.server.seconds - time.monotonic()))
        self._answer(arrived, HTTPStatus.OK, body)

    def _answer(self, arrived: float, status: HTTPStatus, body: bytes) -> None:
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
        """Say nothing; each request has its line on stdout."""


def main() -> None:
    """Serve until stdin is closed."""
    options = argparse.ArgumentParser(description="Serve made-up pages of Gong's answers.")
    options.add_argument("--users", type=int, required=True, help="how many users the company has")
    options.add_argument("--seconds", type=float, default=0.0, help="how long an answer takes")
    options.add_argument("--calls-per-second", type=int, default=0, help="how many requests are allowed; 0 for any")
    given = options.parse_args()
    server = PageServer(users=given.users, seconds=given.seconds, calls_per_second=given.calls_per_second)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
