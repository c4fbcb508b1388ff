"""Settings and strategies of the property tests; no deadline, so that no test depends on the machine's speed."""

from __future__ import annotations

import string
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

FEW = settings(deadline=None, print_blob=True, max_examples=20)
SOME = settings(deadline=None, print_blob=True, max_examples=50)
MANY = settings(deadline=None, print_blob=True, max_examples=100)

NUMBERS = (
    st.integers()
    | st.integers(-3, 30)
    | st.floats()
    | st.decimals()
    | st.sampled_from([10**25, 10**400, -(10**400), 2**63, 2**64, 0.1, 1e-320, 1e308])
)
TEXTS = st.text(max_size=20) | st.text(string.printable, max_size=20) | st.sampled_from(["", " ", "null", "2024-02-30"])
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=6
)
"""Any value of a JSON file as the SDK parses it, with fractions as Decimal or float."""
