"""Seeds of random numbers, keyed by what they are used for."""

from __future__ import annotations

import numpy as np


def round_seed(seed: int, round: int, stream: str = "") -> int:
    """Return the seed of a round's random numbers.

    Every stream of random numbers of a campaign is derived from one `seed`, the number of the round and a name, so a
    resumed campaign draws what an uninterrupted one would.

    Args:
        seed: Seed of the campaign.
        round: Number of the round; 0 before the first.
        stream: Name of the use, so that two uses in one round differ.

    Returns:
        An integer in [0, 2**63).

    Example:
        >>> round_seed(0, 1) == round_seed(0, 1), round_seed(0, 1) == round_seed(0, 2)
        (True, False)
    """
    words = [seed & 0xFFFFFFFF, round & 0xFFFFFFFF, *stream.encode()]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)
