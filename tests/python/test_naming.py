"""Naming: personas where they fit, plain descriptions where they do not, never a wrong persona."""

import re
from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cosine

from segmentation.fit import fit_missing
from segmentation.frames import SEGMENT_NAMES
from segmentation.naming import name_segments

FEATURES = ["income", "balance", "loyalty", "withdrawal_amount", "sessions"]
DIRECTIONS = {
    "Power": [1.0, 1.0, 1.0, 1.0, 1.0],
    "Frequent": [-0.5, -1.0, 1.0, 0.5, 1.0],
    "Affluent": [1.0, 1.0, -0.5, -1.0, -1.0],
    "Occasional": [-1.0, -0.5, -1.0, -0.5, 0.0],
}
PERSONA_COLUMNS = [
    "segmentation",
    "persona",
    "description",
    "feature",
    "direction",
    "agreed_by",
    "agreed_on",
]


def as_personas(directions, segmentation="behaviour", features=FEATURES):
    rows = [
        [segmentation, persona, f"About {persona}.", feature, direction, "analysts", "2024-01-31"]
        for persona, own in directions.items()
        for feature, direction in (
            own.items() if isinstance(own, dict) else zip(features, own, strict=True)
        )
    ]
    return pd.DataFrame(rows, columns=PERSONA_COLUMNS)


def as_fit(centres, outcome="fitted", segmentation="behaviour", features=FEATURES, count=10):
    return pd.DataFrame(
        [
            {
                "segmentation": segmentation,
                "segment_id": segment_id,
                "feature": feature,
                "centre": float(centre),
                "outcome": outcome,
                "training_count": count,
                "requested_k": 4,
            }
            for segment_id, own in enumerate(centres, start=1)
            for feature, centre in zip(features, own, strict=True)
        ]
    )


PERSONAS = as_personas(DIRECTIONS)
NO_PERSONAS = as_personas({})
CENTRES = list(DIRECTIONS.values())


def named(fits, personas=NO_PERSONAS, minimum_match=0.7, **options):
    return name_segments(fits, personas, minimum_match=minimum_match, **options)


def names(*arguments, **options):
    return named(*arguments, **options)["segment_name"].tolist()


def duckdb_types(frame):
    described = duckdb.sql("describe select * from frame").fetchall()
    return [(name, dtype) for name, dtype, *_ in described]


# Personas


def test_segments_take_the_personas_they_resemble():
    order = [2, 0, 3, 1]
    result = named(as_fit([CENTRES[row] for row in order]), PERSONAS)
    expected = [list(DIRECTIONS)[row] for row in order]
    assert result["segment_name"].tolist() == expected
    assert result["persona"].tolist() == expected
    assert result["persona_match"].tolist() == [1.0] * 4
    assert set(result["name_source"]) == {"persona"}
    assert result["segment_description"].tolist() == [f"About {name}." for name in expected]
    assert set(result["agreed_by"]) == {"analysts"}
    assert set(result["agreed_on"]) == {pd.Timestamp("2024-01-31")}


def test_the_match_is_the_cosine_similarity_over_the_features_named():
    centre = [0.9, 0.4, 0.3, -0.1, 5.0]
    direction = {"income": 1.0, "balance": 0.5, "loyalty": 0.0}
    result = named(as_fit([centre]), as_personas({"Earner": direction}))
    expected = 1 - cosine([0.9, 0.4, 0.3], [1.0, 0.5, 0.0])
    assert result["persona_match"].iloc[0] == pytest.approx(expected, rel=1e-12)
    without_zero = {"income": 1.0, "balance": 0.5}
    looser = named(as_fit([centre]), as_personas({"Earner": without_zero}))
    assert looser["persona_match"].iloc[0] > expected


def test_features_that_a_persona_does_not_name_have_no_say():
    personas = as_personas({"Loyal": {"sessions": -0.5, "loyalty": 1.0}})
    result = named(as_fit([[-3.0, 2.0, 0.8, -4.0, -0.4]]), personas)
    assert result["persona"].tolist() == ["Loyal"]
    assert result["persona_match"].iloc[0] == pytest.approx(1.0)


def test_a_persona_counts_from_the_minimum_match_on():
    fits = as_fit([[0.6, 0.8, 0.0, 0.0, 0.0]])
    personas = as_personas({"Earner": {"income": 1.0, "balance": 0.0}})
    assert named(fits, personas, minimum_match=0.6)["name_source"].tolist() == ["persona"]
    above = named(fits, personas, minimum_match=0.6 + 1e-9)
    assert above["name_source"].tolist() == ["descriptive"]
    assert above["segment_name"].tolist() == ["High balance, high income"]
    assert above[["persona", "persona_match", "agreed_by", "agreed_on"]].isna().all(axis=None)


def test_a_dropped_persona_leaves_the_others_in_place():
    stranger = [0.9, -1.0, 0.1, 1.0, -0.9]
    result = named(as_fit([CENTRES[0], stranger, CENTRES[2], CENTRES[3]]), PERSONAS)
    assert result["persona"].fillna("none").tolist() == ["Power", "none", "Affluent", "Occasional"]
    assert result["name_source"].tolist() == ["persona", "descriptive", "persona", "persona"]


def test_the_assignment_is_the_best_in_total_not_the_first_that_fits():
    near, far = [1.0, 1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 0.0]
    personas = as_personas(
        {"Rich": {"income": 1.0, "balance": 0.4}, "Both": {"income": 1.0, "balance": 1.0}}
    )
    assert names(as_fit([near, far]), personas, minimum_match=0.5) == ["Both", "Rich"]
    assert names(as_fit([far, near]), personas, minimum_match=0.5) == ["Rich", "Both"]


def test_a_persona_names_one_segment_at_most():
    result = named(as_fit([CENTRES[0], CENTRES[0]]), as_personas({"Power": DIRECTIONS["Power"]}))
    assert sorted(result["name_source"]) == ["descriptive", "persona"]


def test_more_personas_than_segments_leave_personas_unused():
    assert names(as_fit(CENTRES[2:3]), PERSONAS) == ["Affluent"]


@settings(max_examples=60, deadline=None, database=None)
@given(shift=st.integers(1, 4), sign=st.booleans(), noise_seed=st.integers(0, 1000))
def test_personas_with_shuffled_features_name_no_segment(shift, sign, noise_seed):
    contrasts = {
        "First": [1.0, 1.0, -1.0, 0.0, -1.0],
        "Second": [-1.0, 0.0, 1.0, 1.0, -1.0],
    }
    noise = np.random.default_rng(noise_seed).normal(scale=0.05, size=(2, 5))
    centres = np.array(list(contrasts.values())) + noise
    assert names(as_fit(centres), as_personas(contrasts)) == ["First", "Second"]
    rolled = {
        name: (np.roll(own, shift) * (1 if sign else -1)).tolist()
        for name, own in contrasts.items()
    }
    best = max(1 - cosine(centre, own) for centre in centres for own in rolled.values())
    assume(best < 0.7)
    result = named(as_fit(centres), as_personas(rolled))
    assert set(result["name_source"]) == {"descriptive"}
    assert result["persona"].isna().all()


def test_shuffled_personas_name_no_segment_of_a_real_fit():
    features = [f"feature_{letter}" for letter in "abcdefgh"]
    groups = {
        "First": [1, 1, 1, 1, -1, -1, -1, -1],
        "Second": [1, 1, -1, -1, 1, 1, -1, -1],
        "Third": [-1, -1, 1, -1, 1, -1, 1, 1],
        "Fourth": [-1, -1, -1, 1, -1, 1, 1, 1],
    }
    noise = np.random.default_rng(5).normal(size=(160, 8))
    values = np.repeat(np.array(list(groups.values())) * 3.0, 40, axis=0) + noise
    inputs = pd.DataFrame(values, columns=[f"value_0{place}" for place in range(1, 9)])
    inputs.insert(0, "entity_id", [f"C{row:04d}" for row in range(160)])
    inputs.insert(0, "segmentation", "behaviour")
    specification = {
        "name": "behaviour",
        "grain": "customer",
        "k": 4,
        "features": [{"name": name, "transform": "none", "missing": "mean"} for name in features],
    }
    personas = as_personas(groups, features=features)
    fits = fit_missing(
        [specification],
        inputs,
        personas,
        pd.DataFrame(),
        pd.DataFrame(),
        refit=[],
        as_of_on=date(2024, 6, 30),
        random_seed=1,
        minimum_overlap=0.5,
    )
    assert names(fits, personas) == list(groups)
    centres = fits.pivot(index="segment_id", columns="feature", values="centre").to_numpy()
    tried = 0
    for seed in range(40):
        order = np.random.default_rng(seed).permutation(8)
        directions = {name: np.array(own)[order].tolist() for name, own in groups.items()}
        best = max(1 - cosine(centre, own) for centre in centres for own in directions.values())
        if best < 0.7:  # some shuffles give a persona back, or another one
            tried += 1
            result = named(fits, as_personas(directions, features=features))
            assert set(result["name_source"]) == {"descriptive"}
            assert set(groups).isdisjoint(result["segment_name"])
    assert tried >= 20


def test_a_persona_of_zeros_matches_nothing():
    personas = as_personas({"Nobody": [0.0] * 5})
    result = named(as_fit([[1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]), personas, minimum_match=0.01)
    assert set(result["name_source"]) == {"descriptive"}


@pytest.mark.parametrize("minimum_match", [0, -0.5, 1.01, float("nan")])
def test_a_minimum_match_out_of_range_is_refused_in_a_sentence(minimum_match):
    with pytest.raises(ValueError, match="minimum_match is above 0 and at most 1"):
        named(as_fit(CENTRES), PERSONAS, minimum_match=minimum_match)


def test_the_minimum_match_has_no_default():
    with pytest.raises(TypeError, match="minimum_match"):
        name_segments(as_fit(CENTRES), PERSONAS)


@pytest.mark.parametrize("outcome", ["fitted", "all_equal"])
def test_a_persona_with_an_unknown_feature_is_refused_in_a_sentence(outcome):
    personas = as_personas({"Power": {"income": 1.0, "loyalty_score": 1.0}})
    expected = (
        "seeds/personas.csv, row 2: persona 'Power' of segmentation 'behaviour' names the feature "
        "'loyalty_score'; its features are income, balance, loyalty, withdrawal_amount, sessions."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}$"):
        named(as_fit(CENTRES[:1], outcome), personas)


def test_a_persona_with_a_feature_twice_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"'Power' .* 'income' more than once\."):
        named(as_fit(CENTRES), pd.concat([PERSONAS, PERSONAS[:1]]))


@pytest.mark.parametrize("direction", [1.5, -2.0, float("nan"), "up"])
def test_a_direction_out_of_range_is_refused_in_a_sentence(direction):
    with pytest.raises(ValueError, match="'income' a direction that is not a number from -1 to 1"):
        named(as_fit(CENTRES), as_personas({"Power": {"income": direction}}))


def test_personas_of_segmentations_without_a_fit_are_ignored():
    others = as_personas({"Traveller": {"limit": 1.0}}, segmentation="cards")
    assert names(as_fit(CENTRES), pd.concat([others, PERSONAS])) == list(DIRECTIONS)


def test_a_persona_without_texts_gets_a_description_from_the_data():
    personas = PERSONAS.assign(description=None, agreed_by=None, agreed_on=None)
    result = named(as_fit(CENTRES), personas)
    assert result["segment_description"].str.startswith("Against the average customer").all()
    assert result[["agreed_by", "agreed_on"]].isna().all(axis=None)
    assert result.dtypes.to_dict() == named(as_fit(CENTRES), PERSONAS).dtypes.to_dict()


# Descriptive names


def test_a_descriptive_name_says_the_two_largest_differences():
    centres = [[0.3, 0.2, -0.8, 1.3, 0.0], [-0.3, 0.5, 0.1, -0.9, 0.0]]
    result = named(as_fit(centres), feature_labels={"loyalty": "loyalty score"})
    assert result["segment_name"].tolist() == [
        "High withdrawal amount, low loyalty score",
        "Low withdrawal amount, high balance",
    ]
    assert result["segment_description"].iloc[0] == (
        "Against the average customer, in standard deviations: "
        "withdrawal amount 1.3 higher, loyalty score 0.8 lower."
    )


def test_names_leave_out_where_a_specification_takes_a_feature_from():
    features = ["attribute:facebook_campaign", "holds:housing_loan", "gender"]
    fit = as_fit([[-1, 0.5, 0], [0.4, 0, 0.3]], features=features)
    assert names(fit) == [
        "Low facebook campaign, high housing loan",
        "High facebook campaign, high gender",
    ]
    assert named(fit)["segment_description"][0] == (
        "Against the average customer, in standard deviations: "
        "facebook campaign 1.0 lower, housing loan 0.5 higher."
    )
    both = as_fit([[-1, 0.5], [0.4, -0.3]], features=["attribute:gender", "gender"])
    assert names(both) == ["Low attribute:gender, high gender", "High attribute:gender, low gender"]


def test_differences_too_small_to_see_are_not_named():
    assert names(as_fit([[0.5, 0.19, 0, 0, 0], [0.19, -0.19, 0, 0, 0]])) == [
        "High income",
        "Average customers",
    ]


def test_equal_names_are_told_apart_by_further_features():
    centres = [[1.0, 0.9, 0.5, 0, 0], [1.0, 0.9, -0.5, 0, 0], [1.0, -0.9, 0.3, 0, 0]]
    assert names(as_fit(centres)) == [
        "High income, high balance, high loyalty",
        "High income, high balance, low loyalty",
        "High income, low balance",
    ]


def test_names_that_features_cannot_tell_apart_are_numbered():
    centres = [[1.0, 0.9, 0, 0, 0], [1.1, 0.8, 0, 0, 0], [1.2, 0.7, 0, 0, 0], [0] * 5, [0] * 5]
    assert names(as_fit(centres)) == [
        "High income, high balance",
        "High income, high balance (2)",
        "High income, high balance (3)",
        "Average customers",
        "Average customers (2)",
    ]


def test_a_descriptive_name_never_repeats_a_persona_in_use():
    personas = as_personas({"High income, high balance": [1.0, 0.9, 0.0, 0.0, 0.0]})
    result = names(as_fit([[1.0, 0.9, 0, 0, 0], [1.1, 0.6, 0, 0, 0]]), personas)
    assert result == ["High income, high balance", "High income, high balance (2)"]


@settings(max_examples=60, deadline=None, database=None)
@given(
    centres=st.lists(
        st.lists(st.sampled_from([-1.0, -0.3, 0.0, 0.1, 0.3, 1.0]), min_size=5, max_size=5),
        min_size=1,
        max_size=6,
    ),
    order_seed=st.integers(0, 1000),
)
def test_names_are_unique_and_ignore_the_order_of_rows(centres, order_seed):
    fits = as_fit(centres)
    result = named(fits, PERSONAS)
    assert result["segment_name"].is_unique
    assert result["segment_id"].tolist() == list(range(1, len(centres) + 1))
    shuffled = fits.sample(frac=1, random_state=order_seed)
    pd.testing.assert_frame_equal(named(shuffled, PERSONAS), result)


# One segment


def test_a_single_segment_is_called_all_customers_and_says_why():
    few = named(as_fit([[0] * 5], "too_few_entities", count=3), PERSONAS)
    assert few["segment_name"].tolist() == ["All customers"]
    assert few["name_source"].tolist() == ["single"]
    assert few["persona"].isna().all()
    assert few["segment_description"].tolist() == [
        "One group of 3 customers: too few that differ to form 4 groups."
    ]
    one = named(as_fit([[0] * 5], "too_few_entities", count=1).drop(columns="requested_k"))
    assert one["segment_description"].tolist() == [
        "One group of 1 customer: too few that differ to form groups."
    ]
    equal = named(as_fit([[0] * 5], "all_equal", count=50))
    assert equal["segment_name"].tolist() == ["All customers"]
    assert equal["segment_description"].tolist() == [
        "One group of 50 customers: all are equal in every feature."
    ]
    undivided = named(as_fit([[0] * 5], "fitted", count=50), PERSONAS)
    assert undivided["name_source"].tolist() == ["single"]
    assert undivided["segment_description"].tolist() == [
        "One group of 50 customers, not divided further."
    ]


def test_names_speak_of_what_the_segmentation_groups():
    cards = as_fit([[0] * 5], "too_few_entities", "cards", count=2)
    average = as_fit([[0] * 5, [1] * 5], "fitted", "accounts")
    behaviour = as_fit([[0] * 5], "all_equal", "behaviour")
    grain = {"cards": "card_account", "accounts": "card_account"}
    result = named(pd.concat([cards, behaviour, average]), grain=grain)
    result = result[result["segment_id"] == 1]
    assert result["segmentation"].tolist() == ["accounts", "behaviour", "cards"]
    assert result["segment_name"].tolist() == [
        "Average card accounts",
        "All customers",
        "All card accounts",
    ]
    assert "2 card accounts" in result["segment_description"].iloc[2]


# Shape and refusals


def test_an_empty_result_has_the_types_of_a_full_one():
    full = named(as_fit(CENTRES), PERSONAS)
    nameless = named(as_fit(CENTRES))
    for empty in (named(pd.DataFrame()), named(as_fit(CENTRES)[:0], PERSONAS)):
        assert len(empty) == 0
        assert empty.dtypes.to_dict() == nameless.dtypes.to_dict() == full.dtypes.to_dict()
        assert duckdb_types(empty) == duckdb_types(nameless) == duckdb_types(full)
    types = dict(duckdb_types(full))
    assert list(types) == list(SEGMENT_NAMES)
    assert types["segment_id"] == "BIGINT"
    assert types["persona_match"] == "DOUBLE"
    assert types["agreed_on"] == "TIMESTAMP"
    assert set(types.values()) == {"VARCHAR", "BIGINT", "DOUBLE", "TIMESTAMP"}


def test_nulls_reach_duckdb_as_nulls():
    result = named(as_fit(CENTRES))
    columns = ["persona", "persona_match", "agreed_by", "agreed_on"]
    counted = ", ".join(f"count({column})" for column in columns)
    assert result.query("name_source == 'descriptive'").shape[0] == 4
    assert duckdb.sql(f"select {counted} from result").fetchall() == [(0, 0, 0, 0)]


def test_fits_and_personas_read_from_duckdb_are_understood():
    fits, personas = as_fit(CENTRES), PERSONAS
    read_fits = duckdb.sql("select * from fits").df()
    read_personas = duckdb.sql("select * replace (agreed_on::date as agreed_on) from personas").df()
    pd.testing.assert_frame_equal(named(read_fits, read_personas), named(fits, personas))


def test_two_fits_of_a_segmentation_are_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"'behaviour' has more than one centre .* current fit"):
        named(pd.concat([as_fit(CENTRES), as_fit(CENTRES)]))


def test_a_fit_that_lacks_a_centre_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match="'behaviour' lacks the centre of a feature"):
        named(as_fit(CENTRES)[1:])
