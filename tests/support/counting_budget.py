"""A budget of memory that knows how much has been taken."""

from __future__ import annotations

from tap_gong_activity.extract.page_buffer import MemoryBudget


class CountingBudget(MemoryBudget):
    """Knows how much has been taken."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.taken = 0

    def take(self, size: int) -> bool:
        is_taken = super().take(size)
        self.taken += size if is_taken else 0
        return is_taken

    def give_back(self, size: int) -> None:
        super().give_back(size)
        self.taken -= size
