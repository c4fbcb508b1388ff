"""Random numbers that are the same in every process and every version of Python."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class SeededRandom:
    """A random number generator whose seed is a sequence of parts."""

    def __init__(self, *seed: object) -> None:
        # Only random() is used, because Python guarantees its sequence.
        self.random = Random("/".join(map(str, seed))).random  # noqa: S311 - not a secret

    def below(self, limit: int) -> int:
        """Return a random integer from 0 to `limit` (exclusive)."""
        return int(self.random() * limit)

    def count(self, mean: float) -> int:
        """Return a random count that averages `mean` and is at most about twice that."""
        return int(2 * mean * self.random() + self.random())

    def choice(self, options: Sequence[T]) -> T:
        """Return a random element of `options`.

        Raises:
            IndexError: `options` is empty.
        """
        return options[self.below(len(options))]
