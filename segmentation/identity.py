"""Who a segment is after a refit: ids stay with the members they share the most with."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment


def overlaps(shared: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the Jaccard similarity of every earlier group (rows) with every new one (columns).

    Args:
        shared: members by earlier group (rows) and new group (columns), of those that are in both
            groupings; others say nothing about identity.
    """
    counts = shared.to_numpy(dtype=np.float64)
    either = counts.sum(axis=1, keepdims=True) + counts.sum(axis=0, keepdims=True) - counts
    similarity: npt.NDArray[np.float64] = np.zeros_like(counts)
    np.divide(counts, either, out=similarity, where=either > 0)
    return similarity


def members_by_group(
    earlier_ids: pd.Series, entity_ids: list[str], groups: npt.NDArray[np.integer]
) -> pd.DataFrame:
    """Count the entities of each earlier segment (rows) in each new group (columns, from 0).

    Args:
        earlier_ids: segment id by entity id; entities of one grouping only are not counted.
        entity_ids: the entities that were grouped now.
        groups: the group of each, from 0.
    """
    before = earlier_ids.reindex(entity_ids).to_numpy(dtype="float64", na_value=np.nan)
    known = ~np.isnan(before)
    return pd.crosstab(before[known].astype("int64"), groups[known])


def kept_ids(shared: pd.DataFrame, minimum_overlap: float) -> dict[int, int]:
    """Return the new groups that take over an earlier id, with that id.

    Of all one to one assignments the one with the largest total Jaccard similarity is taken
    (linear assignment: Kuhn 1955); a pair below `minimum_overlap` is then dropped. From 0.5 on a
    group is the largest part of its counterpart and the other way round, so that no other pairing
    of the two would have been possible.

    Args:
        shared: as for `overlaps`; the rows' labels are the earlier ids, the columns' the new
            groups' positions.
        minimum_overlap: the smallest Jaccard similarity, above 0 and at most 1.
    """
    if not 0 < minimum_overlap <= 1:
        raise ValueError(f"minimum_overlap is above 0 and at most 1, not {minimum_overlap}.")
    if shared.empty:
        return {}
    similarity = overlaps(shared)
    pairs = zip(*linear_sum_assignment(similarity, maximize=True), strict=True)
    return {
        int(shared.columns[int(column)]): int(shared.index[int(row)])
        for row, column in pairs
        if similarity[row, column] >= minimum_overlap
    }


def segment_ids(group_count: int, kept: Mapping[int, int], highest_id: int) -> list[int]:
    """Return an id for each group, in order: the one it keeps, else one never used before.

    Args:
        group_count: how many groups there are.
        kept: as `kept_ids` returns it; groups are named by their position, from 0.
        highest_id: the highest id this segmentation ever gave, 0 before its first fit.
    """
    ids = []
    for position in range(group_count):
        if position in kept:
            ids.append(kept[position])
        else:
            highest_id += 1
            ids.append(highest_id)
    return ids
