"""Size of oracle calls: small where a stop would lose much, large where a call costs as much for one design."""

from __future__ import annotations

import math
from dataclasses import dataclass

SECONDS_AT_RISK = 0.1
"""Duration of a call whose loss does not matter [s]."""
MAX_OVERHEAD = 0.2
"""Part of the time of a call that may be spent on what every call costs."""


@dataclass
class Pace:
    """Durations of oracle calls by their number of designs, and the size of the next call that follows from them.

    The model is linear: a call of `k` designs lasts `a + b k` seconds. The size of the next call is chosen so that it
    lasts about `SECONDS_AT_RISK`, or longer where the overhead `a` would otherwise be a large part of it. The first two
    calls have one and two designs, which determines both coefficients.

    Example:
        >>> slow, vectorized = Pace(), Pace()
        >>> for k in (1, 2):
        ...     slow.add(k, 3.0 * k)
        ...     vectorized.add(k, 3.0)
        >>> slow.size(), vectorized.size() > 1000
        (1, True)
    """

    overhead: float = 0.0
    """`a`, the time that a call costs for any number of designs [s]."""
    each: float = 0.0
    """`b`, the time that each design costs [s]."""
    last: tuple[int, float] | None = None
    """Size and duration of the last call."""
    is_known: bool = False
    """Whether both coefficients were measured."""

    def size(self) -> int:
        """Return the number of designs of the next call."""
        if self.last is None:
            return 1
        if not self.is_known:
            return 2
        seconds = max(SECONDS_AT_RISK, self.overhead / MAX_OVERHEAD)
        return max(1, math.floor(seconds / max(self.each, 1e-9)))

    def add(self, n: int, seconds: float) -> None:
        """Add the duration of a call of `n` designs."""
        if self.last is not None and self.last[0] < n:
            before, earlier = self.last
            self.each = max(0.0, (seconds - earlier) / (n - before)) if seconds >= earlier else seconds / n
            self.overhead = max(0.0, seconds - n * self.each)
            self.is_known = True
        elif self.is_known and n > 0:
            self.each = max(self.each, (seconds - self.overhead) / n) if seconds > self.overhead else self.each
        self.last = (n, seconds)
