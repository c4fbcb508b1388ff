"""Random draws that are the same in every process and every version of Python."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")


class Chance:
    """A stream of draws, determined by a seed of some words."""

    def __init__(self, *words: object) -> None:
        # Only random() is used, because Python guarantees its sequence.
        self.draw = Random("/".join(map(str, words))).random  # noqa: S311 - not a secret

    def below(self, limit: int) -> int:
        """Draw an integer from 0 up to, without, `limit`."""
        return int(self.draw() * limit)

    def about(self, mean: float) -> int:
        """Draw a count that is `mean` on average, and about twice that at most."""
        return int(2 * mean * self.draw() + self.draw())

    def pick(self, choices: Sequence[T]) -> T:
        """Draw one of `choices`.

        Raises:
            IndexError: There are no choices.
        """
        return choices[self.below(len(choices))]
