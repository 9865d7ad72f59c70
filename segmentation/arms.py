"""Draws who gets a campaign and who is held out, by lot."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]

NOT_DRAWN, CAMPAIGN, HOLDOUT = 0, 1, 2


def draw_arms(
    ids: Sequence[str], strata: Sequence[int], per_arm: int, seed: Sequence[int]
) -> Integers:
    """Draw two arms of equal size at random, stratified.

    Every stratum gets its share of the places (Hamilton's method of largest remainders), its
    members are drawn without replacement, and the places of the drawn go to the two arms in turn
    from stratum to stratum: both arms have `per_arm` members, and in no stratum do they differ by
    more than one. Every member of a stratum has the same chance of each arm (stratified
    randomisation; Imbens and Rubin, Causal Inference, 2015, chapter 9).

    Args:
        ids: who can be drawn, each once; the draw depends on the ids, not on their order.
        strata: the stratum of each.
        per_arm: members of each arm, at least 1.
        seed: of the draw: whole numbers of at least 0.

    Returns:
        One code for each id, in the order given: NOT_DRAWN, CAMPAIGN or HOLDOUT.

    Raises:
        ValueError: fewer than two arms' worth of ids, or an id given twice.
    """
    if not 1 <= per_arm <= len(ids) // 2:
        raise ValueError(f"two arms of {per_arm} cannot be drawn from {len(ids)}")
    if len(set(ids)) < len(ids):
        raise ValueError("an id is given twice")
    generator = np.random.default_rng(list(seed))
    in_order = sorted(range(len(ids)), key=lambda place: (strata[place], ids[place]))
    members = np.array(in_order, dtype=np.int64)
    _, sizes = np.unique(np.asarray(strata), return_counts=True)
    places = _shares(2 * per_arm, sizes.astype(np.int64))
    drawn = np.concatenate(
        [
            generator.permutation(stratum)[:count]
            for stratum, count in zip(np.split(members, np.cumsum(sizes)[:-1]), places, strict=True)
        ]
    )
    # Else the first stratum with an odd number would always give the campaign one more.
    first = int(generator.integers(2))
    arms = np.full(len(ids), NOT_DRAWN, dtype=np.int64)
    arms[drawn[first::2]] = CAMPAIGN
    arms[drawn[1 - first :: 2]] = HOLDOUT
    return arms


def _shares(total: int, sizes: Integers) -> Integers:
    """Split `total` in proportion to `sizes`; whole numbers, none above its size."""
    shares, remainders = np.divmod(total * sizes, sizes.sum())
    left = total - int(shares.sum())
    shares[np.argsort(-remainders, kind="stable")[:left]] += 1
    return np.asarray(shares, dtype=np.int64)
