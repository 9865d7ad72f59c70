"""Rules that say who is in a segment: each is read again from its text and counted anew."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmentation.frames import SEGMENT_TREE_RULES
from segmentation.rules import segment_tree_rules

SEED = 20260630
FEATURES = ("income", "visits", "is_member")
CONDITION = re.compile(r"(\w+) (>=|<|=) ([-\d,.e]+)")


def specification(features=FEATURES, name="tried"):
    return {"name": name, "features": [{"name": feature} for feature in features]}


def as_entities(values, segments, name="tried"):
    columns = [f"natural_{place:02d}" for place in range(1, values.shape[1] + 1)]
    frame = pd.DataFrame(values, columns=columns)
    return frame.assign(
        segmentation=name,
        entity_id=[f"C{row:06d}" for row in range(len(values))],
        segment_id=np.asarray(segments),
        fit_id=f"{name}-1",
    )


def rules_of(entities, features=FEATURES, **other):
    arguments = {"largest_depth": 4, "minimum_leaf_share": 0.02, "random_seed": SEED} | other
    return segment_tree_rules([specification(features)], entities, **arguments)


def meets(rule, values, features=FEATURES):
    """Who meets the rule, from its text alone."""
    result = np.ones(len(values), dtype=bool)
    if rule == "everybody":
        return result
    takes_missing = set(re.findall(r"\((\w+) [^)]*or missing\)", rule))
    asked = set()
    for name, sign, number in CONDITION.findall(rule):
        column, limit = values[:, features.index(name)], float(number.replace(",", ""))
        is_met = {"<": column < limit, ">=": column >= limit, "=": column == limit}[sign]
        result &= is_met | (np.isnan(column) & (name in takes_missing))
        asked.add(name)
    for name, word in re.findall(r"(\w+) is (missing|known)", rule):
        is_missing = np.isnan(values[:, features.index(name)])
        result &= is_missing if word == "missing" else ~is_missing
        asked.add(name)
    assert asked
    return result


def drawn(random, count=2000, missing=0.0):
    values = np.column_stack(
        [
            random.lognormal(8, 0.7, count),
            random.poisson(40, count).astype(float),
            (random.random(count) < 0.4).astype(float),
        ]
    )
    values[random.random(values.shape) < missing] = np.nan
    return values


def test_planted_rules_are_found_in_their_own_words():
    values = drawn(np.random.default_rng(1))
    income, visits, is_member = values.T
    segments = np.select([income < 2500, is_member == 1, visits >= 40], [1, 2, 3], 4)
    found = rules_of(as_entities(values, segments))
    assert found["rule"].tolist() == [
        "income < 2,500",
        "income >= 2,500 and is_member = 1",
        "income >= 2,500 and is_member = 0 and visits >= 40",
        "income >= 2,500 and is_member = 0 and visits < 40",
    ]
    assert found["segment_id"].tolist() == found["rule_number"].tolist() == [1, 2, 3, 4]
    assert (found["agreed_count"] >= 0.98 * found["tested_count"]).all()


@pytest.mark.parametrize("missing", [0.0, 0.1])
def test_every_count_is_that_of_the_rule_as_it_reads(missing):
    random = np.random.default_rng(2)
    values = drawn(random, missing=missing)
    filled = np.nan_to_num(values, nan=30.0)
    segments = 1 + (filled[:, 0] > 3000) + (filled[:, 1] > 42) + random.integers(0, 2, 2000)
    found = rules_of(as_entities(values, segments))
    covered = np.array([meets(rule, values) for rule in found["rule"].dropna()])
    assert (covered.sum(axis=0) == 1).all()
    described = found.dropna(subset="rule")
    assert covered.sum(axis=1).tolist() == described["covered_count"].tolist()
    assert set(found["entity_count"]) == {2000}
    assert set(found["tested_count"]) == {1000}
    assert described["held_out_count"].sum() == 1000
    assert set(found["agreed_count"]) == {described["hit_count"].sum()}
    # The other half is as large, and the tree fits it at least as well.
    said = described["segment_id"].to_numpy()[covered.argmax(axis=0)]
    assert (said == segments).sum() >= 2 * found["agreed_count"].iloc[0]
    members = found.drop_duplicates("segment_id").set_index("segment_id")["member_count"]
    assert members.sum() == 1000


def test_fidelity_is_measured_on_entities_the_tree_has_not_seen():
    # Nothing to learn: on the learning half a deep tree does better than chance all the same.
    random = np.random.default_rng(3)
    values = random.normal(size=(4000, 3))
    segments = random.integers(1, 3, 4000)
    found = rules_of(as_entities(values, segments), largest_depth=8)
    covered = np.array([meets(rule, values) for rule in found["rule"].dropna()])
    said = found.dropna(subset="rule")["segment_id"].to_numpy()[covered.argmax(axis=0)]
    fidelity = found["agreed_count"].iloc[0] / 2000
    assert abs(fidelity - 0.5) < 4 * 0.5 / 2000**0.5
    assert (said == segments).mean() - fidelity > 0.01


def test_thresholds_are_short_and_whole_for_whole_numbers():
    random = np.random.default_rng(4)
    values = drawn(random)
    segments = 1 + (values[:, 1] >= 37) + 2 * (values[:, 0] >= 3123.4567)
    found = rules_of(as_entities(values, segments))
    numbers = {number for rule in found["rule"] for _, _, number in CONDITION.findall(rule)}
    assert "37" in numbers
    assert all(len(number.replace(",", "").strip("0").replace(".", "")) <= 3 for number in numbers)


@pytest.mark.parametrize(
    ("share_one", "expected"),
    [
        ("missing", {1: "income is missing", 2: "income is known"}),
        ("missing or low", {1: "(income < 3,000 or missing)", 2: "income >= 3,000"}),
        ("high, known", {1: "income >= 3,000", 2: "(income < 3,000 or missing)"}),
    ],
)
def test_missing_values_are_said_in_the_rule(share_one, expected):
    values = drawn(np.random.default_rng(5))
    values[::4, 0] = np.nan
    income = values[:, 0]
    is_one = {
        "missing": np.isnan(income),
        "missing or low": ~(income >= 3000),
        "high, known": income >= 3000,
    }[share_one]
    found = rules_of(as_entities(values, np.where(is_one, 1, 2)))
    assert dict(zip(found["segment_id"], found["rule"], strict=True)) == expected


def test_a_segment_that_no_rule_describes_has_a_row_without():
    values = drawn(np.random.default_rng(6))
    segments = np.where(values[:, 2] == 1, 1, 2)
    segments[:5] = 3
    found = rules_of(as_entities(values, segments)).set_index("segment_id")
    assert pd.isna(found.loc[3, "rule"])
    assert found.loc[3, ["covered_count", "held_out_count", "hit_count"]].tolist() == [0, 0, 0]
    assert found["rule"].notna().sum() == 2


@pytest.mark.parametrize("count", [1, 2, 50])
def test_a_single_segment_is_everybody(count):
    values = drawn(np.random.default_rng(7), count)
    (row,) = rules_of(as_entities(values, np.ones(count, dtype=int))).to_dict("records")
    assert row["rule"] == "everybody"
    assert row["covered_count"] == count
    assert row["agreed_count"] == row["tested_count"] == count // 2


def test_rules_repeat_exactly_whatever_the_order_of_rows():
    random = np.random.default_rng(8)
    values = drawn(random, missing=0.05)
    entities = as_entities(values, 1 + (np.nan_to_num(values[:, 1]) > 40))
    first, second = rules_of(entities), rules_of(entities.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(first, second)
    assert first.dtypes.astype(str).to_dict() == dict(SEGMENT_TREE_RULES)


def test_segmentations_without_entities_have_no_rules():
    found = segment_tree_rules(
        [specification(name="other"), {"name": "handed_in", "kind": "given"}],
        as_entities(np.ones((3, 3)), [1, 1, 2]),
        random_seed=SEED,
        largest_depth=4,
        minimum_leaf_share=0.02,
    )
    assert found.empty
    assert found.dtypes.astype(str).to_dict() == dict(SEGMENT_TREE_RULES)


@pytest.mark.parametrize("bad", [{"largest_depth": 0}, {"minimum_leaf_share": 0.5}])
def test_rules_without_room_are_refused(bad):
    with pytest.raises(ValueError, match="Rules need a depth of at least 1"):
        rules_of(as_entities(np.ones((3, 3)), [1, 1, 2]), **bad)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(2, 300),
    exponent=st.integers(-6, 9),
    missing=st.sampled_from([0.0, 0.3, 1.0]),
)
def test_every_entity_meets_exactly_one_rule(seed, count, exponent, missing):
    random = np.random.default_rng(seed)
    values = random.normal(size=(count, 3)) * 10.0**exponent
    values[random.random(count) < missing, 1] = np.nan
    segments = 1 + (values[:, 0] > 0) + (random.random(count) < 0.3)
    found = rules_of(as_entities(values, segments)).dropna(subset="rule")
    covered = np.array([meets(rule, values) for rule in found["rule"]])
    assert (covered.sum(axis=0) == 1).all()
    assert covered.sum(axis=1).tolist() == found["covered_count"].tolist()
