"""Another client of the same account, which calls so many times a second and never tries again."""

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
"""The path of its calls, which distinguishes them from the tap's in the server's records."""


@contextmanager
def neighbor(url: str, calls_per_second: float) -> Iterator[None]:
    """Call the server at `url` so many times a second meanwhile; not at all if that is 0."""
    is_over = threading.Event()
    body = {"filter": {"fromDate": str(FIRST_DAY), "toDate": str(FIRST_DAY)}}

    def call_again_and_again() -> None:
        with ThreadPoolExecutor(16) as calls:
            # Never sooner: of a client that calls every 0.99 s, a second can hold two calls.
            while not is_over.wait(1 / calls_per_second):
                calls.submit(requests.post, url + PATH, json=body, timeout=60)

    thread = threading.Thread(target=call_again_and_again)
    if calls_per_second:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        if calls_per_second:
            thread.join()
