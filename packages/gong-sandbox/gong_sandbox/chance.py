"""The only source of chance: the same for the same words, in every process and every version of Python."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class Chance:
    """A stream of draws that is determined by the words it is made from."""

    def __init__(self, *words: object) -> None:
        """Start the stream that belongs to `words`."""
        # Only random() is drawn from: its sequence is the one that Python promises to keep.
        self.draw = Random("/".join(map(str, words))).random  # noqa: S311 (invented activity, no secret)

    def below(self, limit: int) -> int:
        """Draw a whole number from 0 up to, and without, `limit`."""
        return int(self.draw() * limit)

    def about(self, mean: float) -> int:
        """Draw a count that is `mean` on average, and at most about twice that."""
        return int(2 * mean * self.draw() + self.draw())

    def pick(self, choices: Sequence[T]) -> T:
        """Draw one of `choices`.

        Raises:
            IndexError: There are none.
        """
        return choices[self.below(len(choices))]
