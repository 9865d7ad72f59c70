"""What a text for people must not hold: Greek, p-values and code names."""

from __future__ import annotations

import re

NOT_PLAIN = re.compile(r"[Ͱ-Ͽἀ-῿]|\bp[- ]?values?\b|[A-Za-z0-9]+_[A-Za-z0-9]+", re.IGNORECASE)


def assert_plain(text: str) -> None:
    """Fail where a text is not in plain words."""
    assert not NOT_PLAIN.search(text), text
