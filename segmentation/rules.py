"""Says in rules who is in a segment, in the features' own units, and how far the rules hold."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.tree import DecisionTreeClassifier  # type: ignore[import-untyped]

from segmentation.fit import Specification
from segmentation.frames import SEGMENT_TREE_RULES, conform
from segmentation.personas import Floats

Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

# A threshold becomes the shortest number that takes at most this share of the entities over to
# the other side.
MOVED_SHARE = 0.005

# Digits beyond these are rounding.
MOST_DIGITS = 12

# The rule of a single segment.
EVERYBODY = "everybody"


@dataclass(frozen=True)
class _Condition:
    """What a rule asks of one feature: at least `low`, below `high`, and whether none will do."""

    low: float = -math.inf
    high: float = math.inf
    takes_missing: bool = True


@dataclass(frozen=True)
class _Leaf:
    """A rule: conditions by position of their feature, and the segment it says."""

    segment_id: int
    conditions: dict[int, _Condition] = field(default_factory=dict)


def segment_tree_rules(
    specifications: Sequence[Specification],
    entities: pd.DataFrame,
    *,
    random_seed: int,
    largest_depth: int,
    minimum_leaf_share: float,
) -> pd.DataFrame:
    """Describe who is in a segment by rules such as "transaction_count >= 120".

    The entities are divided at random into halves. A classification tree (Breiman, Friedman,
    Olshen and Stone 1984) learns the segments from the features in their natural units on one
    half; branches that say one segment become one rule. Every threshold is rounded to the
    shortest number that takes at most 0.5 % of that half over to the other side, and everything
    is counted with the rounded ones, on the half that the tree has not seen. The rules of a
    segmentation divide all entities between them: every entity meets exactly one.

    A missing value goes where the tree sends it; where the feature has any, the rule says
    "or missing" if they meet it, "is missing" if they alone do, and "is known" if they alone do
    not.

    Args:
        specifications: as for `fit.fit_missing`.
        entities: one row per segmentation and entity: segmentation, entity_id, segment_id, fit_id,
            natural_01, natural_02, ..., in the order of the specification's features. The order of
            the rows has no influence.
        random_seed: of the halves and of the tree.
        largest_depth: most features asked one after the other.
        minimum_leaf_share: least share of the learning half that a rule covers.

    Returns:
        One row per segmentation, segment and rule, and one without a rule for a segment that no
        rule says; columns and dtypes of `frames.SEGMENT_TREE_RULES`.
        - rule_number: 1, 2, ... within a segmentation, by segment, the widest rule first.
        - covered_count: entities that meet the rule, of entity_count in the segmentation.
        - held_out_count: those of the held-out half; hit_count: of these, members of the segment.
        - member_count: members of the segment in the held-out half.
        - tested_count: entities of the held-out half; agreed_count: of these, those whose rule
          says their segment.

    Raises:
        ValueError: a number is out of range.
    """
    if largest_depth < 1 or not 0 < minimum_leaf_share < 0.5:
        raise ValueError("Rules need a depth of at least 1, and a least share between 0 and 0.5.")
    rows: list[dict[str, object]] = []
    for specification in specifications:
        name = str(specification["name"])
        own = entities[entities["segmentation"] == name].sort_values("entity_id")
        if own.empty:
            continue
        features = [str(feature["name"]) for feature in specification["features"]]
        columns = [f"natural_{place:02d}" for place in range(1, len(features) + 1)]
        values = own[columns].to_numpy(dtype="float64", na_value=np.nan)
        values = np.where(np.isfinite(values), values, np.nan)
        segments = own["segment_id"].to_numpy(dtype=np.int64)
        random = np.random.default_rng([random_seed, zlib.crc32(name.encode())])
        order = random.permutation(len(own))
        learning, held_out = order[: (len(own) + 1) // 2], order[(len(own) + 1) // 2 :]
        leaves = _leaves(
            values[learning],
            segments[learning],
            largest_depth,
            minimum_leaf_share,
            random_seed,
        )
        rows += [
            row | {"segmentation": name, "fit_id": own["fit_id"].iloc[0]}
            for row in _described(leaves, features, values, segments, held_out)
        ]
    return conform(pd.DataFrame(rows), SEGMENT_TREE_RULES)


def _leaves(
    values: Floats, segments: Integers, depth: int, leaf_share: float, random_seed: int
) -> list[_Leaf]:
    """Return the rules of a tree, their thresholds rounded."""
    tree = DecisionTreeClassifier(
        max_depth=depth,
        min_samples_leaf=max(1, math.ceil(leaf_share * len(values))),
        random_state=random_seed,
    ).fit(values, segments)
    nodes = tree.tree_
    said = tree.classes_[nodes.value[:, 0, :].argmax(axis=1)]

    def below(node: int, conditions: dict[int, _Condition]) -> list[_Leaf]:
        if nodes.children_left[node] < 0:
            return [_Leaf(int(said[node]), conditions)]
        feature = int(nodes.feature[node])
        threshold = _rounded(values[:, feature], float(nodes.threshold[node]))
        before = conditions.get(feature, _Condition())
        missing_left = bool(nodes.missing_go_to_left[node])
        left = _Condition(
            before.low, min(before.high, threshold), before.takes_missing and missing_left
        )
        right = _Condition(
            max(before.low, threshold), before.high, before.takes_missing and not missing_left
        )
        leaves = below(int(nodes.children_left[node]), conditions | {feature: left}) + below(
            int(nodes.children_right[node]), conditions | {feature: right}
        )
        if len({leaf.segment_id for leaf in leaves}) == 1:
            return [_Leaf(leaves[0].segment_id, conditions)]
        return leaves

    return below(0, {})


def _rounded(column: Floats, threshold: float) -> float:
    """Return a short number t that divides the column by `< t` almost as `<= threshold` does."""
    if math.isinf(threshold):
        return threshold
    known = column[~np.isnan(column)]
    is_whole = bool(len(known)) and bool((known == np.round(known)).all())
    exact = math.floor(threshold) + 1.0 if is_whole else threshold
    is_left = known <= threshold
    for digits in range(1, MOST_DIGITS):
        candidate = float(f"{exact:.{digits}g}")
        if is_whole and candidate != math.floor(candidate):
            continue
        if float(((known < candidate) != is_left).mean()) <= MOVED_SHARE:
            return candidate
    return exact


def _described(
    leaves: Sequence[_Leaf],
    features: Sequence[str],
    values: Floats,
    segments: Integers,
    held_out: Integers,
) -> list[dict[str, object]]:
    covers = [_covers(leaf, values) for leaf in leaves]
    said = np.zeros(len(values), dtype=np.int64)
    for leaf, is_covered in zip(leaves, covers, strict=True):
        said[is_covered] = leaf.segment_id
    shared: dict[str, object] = {
        "entity_count": len(values),
        "tested_count": len(held_out),
        "agreed_count": int((said == segments)[held_out].sum()),
    }
    rows: list[dict[str, object]] = []
    for segment_id in np.unique(segments):
        is_member = segments == segment_id
        own = [place for place, leaf in enumerate(leaves) if leaf.segment_id == segment_id]
        own.sort(key=lambda place: -int(covers[place].sum()))
        member_count = int(is_member[held_out].sum())
        if not own:
            rows.append(
                shared | {"segment_id": segment_id, "member_count": member_count} | _NO_RULE
            )
        rows += [
            shared
            | {
                "segment_id": segment_id,
                "rule": _words(leaves[place], features, values),
                "covered_count": int(covers[place].sum()),
                "held_out_count": int(covers[place][held_out].sum()),
                "hit_count": int((covers[place] & is_member)[held_out].sum()),
                "member_count": member_count,
            }
            for place in own
        ]
    return [row | {"rule_number": number} for number, row in enumerate(rows, start=1)]


_NO_RULE: dict[str, object] = {
    "rule": None,
    "covered_count": 0,
    "held_out_count": 0,
    "hit_count": 0,
}


def _covers(leaf: _Leaf, values: Floats) -> Booleans:
    result = np.ones(len(values), dtype=np.bool_)
    for feature, condition in leaf.conditions.items():
        column = values[:, feature]
        is_missing = np.isnan(column)
        is_inside = (column >= condition.low) & (column < condition.high)
        result &= np.where(is_missing, condition.takes_missing, is_inside)
    return result


def _words(leaf: _Leaf, features: Sequence[str], values: Floats) -> str:
    """Return the rule as people read it; features in the order the tree asks for them."""
    parts = []
    for feature, condition in leaf.conditions.items():
        column = values[:, feature]
        known = column[~np.isnan(column)]
        text = _condition_words(features[feature], condition, bool(np.isin(known, (0, 1)).all()))
        if len(known) < len(column) and condition.takes_missing and condition.low < math.inf:
            text = f"({text} or missing)"
        parts.append(text)
    return " and ".join(parts) or EVERYBODY


def _condition_words(name: str, condition: _Condition, is_binary: bool) -> str:
    # The tree sends missing values one way and all others the other way.
    if condition.low == math.inf:
        return f"{name} is missing"
    ends = []
    if condition.low > -math.inf:
        ends.append(f"{name} >= {_number(condition.low)}")
    if condition.high < math.inf:
        ends.append(f"{name} < {_number(condition.high)}")
    if ends and is_binary:
        return f"{name} = {int(condition.low > 0)}"
    return " and ".join(ends) or f"{name} is known"


def _number(value: float) -> str:
    text = f"{value:,.{MOST_DIGITS}f}".rstrip("0").rstrip(".")
    return text if float(text.replace(",", "")) == value else f"{value:g}"
