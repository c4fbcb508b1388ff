"""Random choices that `TEST_SEED` reproduces."""

from __future__ import annotations

import os
import random

SEED = os.environ.get("TEST_SEED") or str(random.SystemRandom().getrandbits(32))
"""A different seed in each session, so that more cases are tested over time."""


def seeded_random(*parts: object) -> random.Random:
    """Return a generator seeded with the parts and `TEST_SEED`, which pytest prints with a failure."""
    print(f"TEST_SEED={SEED}")  # noqa: T201 - pytest shows it with a failure
    return random.Random("/".join(map(str, (SEED, *parts))))  # noqa: S311 - test cases, no secret
