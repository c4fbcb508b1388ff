"""A neighbor: another client of the same account that makes calls at a fixed rate and never retries."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import requests

from bench.load import FIRST_DAY

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = "/neighbor"
"""Path of the neighbor's calls, which distinguishes them from the tap's in the server's log."""


@contextmanager
def neighbor(url: str, calls_per_second: float) -> Iterator[None]:
    """Make `calls_per_second` calls to `url` within a `with` block; none if it's 0."""
    stopped = threading.Event()
    body = {"filter": {"fromDate": str(FIRST_DAY), "toDate": str(FIRST_DAY)}}

    def make_calls() -> None:
        with ThreadPoolExecutor(16) as calls:
            # Never earlier: with calls every 0.99 s, two can fall into one second.
            while not stopped.wait(1 / calls_per_second):
                calls.submit(requests.post, url + PATH, json=body, timeout=60)

    thread = threading.Thread(target=make_calls)
    if calls_per_second:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        if calls_per_second:
            thread.join()
