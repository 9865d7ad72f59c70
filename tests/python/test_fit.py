"""Fitting: checked against scikit-learn and pandas directly, and on data that form no groups."""

import hashlib
import json
import math
import warnings
from datetime import date

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from segmentation.fit import choose_fits, current_fits, fit_missing, specification_hash
from segmentation.frames import FITS, conform

FEATURES = ["income", "balance", "sessions"]
GROUP_CENTRES = np.array([[10, 10, 10], [10, -10, 0], [-10, 10, -10], [-10, -10, 5]], dtype=float)
GROUP_SIZES = [40, 30, 20, 10]
PERSONA_DIRECTIONS = {
    "Power": {"income": 1.0, "balance": 1.0, "sessions": 1.0},
    "Spender": {"income": 1.0, "balance": -1.0, "sessions": 0.0},
    "Saver": {"income": -1.0, "balance": 1.0, "sessions": -1.0},
    "Occasional": {"income": -1.0, "balance": -1.0, "sessions": 0.5},
}


def specification(k=4, missing="median", features=FEATURES, name="behaviour", transform="none"):
    return {
        "name": name,
        "grain": "customer",
        "k": k,
        "features": [
            {"name": feature, "transform": transform, "missing": missing} for feature in features
        ],
    }


def as_inputs(values, ids=None, name="behaviour"):
    values = np.asarray(values, dtype=float)
    frame = pd.DataFrame(values, columns=[f"value_{i + 1:02d}" for i in range(values.shape[1])])
    ids = [f"C{i:05d}" for i in range(len(values))] if ids is None else ids
    frame.insert(0, "entity_id", pd.Series(ids, dtype="str"))
    frame.insert(0, "segmentation", name)
    return frame


def as_personas(directions, segmentation="behaviour"):
    return pd.DataFrame(
        [
            {
                "segmentation": segmentation,
                "persona": persona,
                "description": f"About {persona}",
                "feature": feature,
                "direction": direction,
                "agreed_by": "analysts",
                "agreed_on": "2024-01-31",
            }
            for persona, own in directions.items()
            for feature, direction in own.items()
        ],
        columns=[
            "segmentation",
            "persona",
            "description",
            "feature",
            "direction",
            "agreed_by",
            "agreed_on",
        ],
    )


NO_PERSONAS = as_personas({})
NO_MEMBERS = pd.DataFrame(columns=["segmentation", "entity_id", "segment_id"])
PERSONAS = as_personas(PERSONA_DIRECTIONS)


def grouped_values(seed=0, sizes=GROUP_SIZES):
    noise = np.random.default_rng(seed).normal(size=(sum(sizes), 3))
    return np.repeat(GROUP_CENTRES, sizes, axis=0) + noise


def fit(
    specifications, inputs, personas=NO_PERSONAS, earlier=None, refit=(), seed=7, latest=NO_MEMBERS
):
    if isinstance(specifications, dict):
        specifications = [specifications]
    return fit_missing(
        specifications,
        inputs,
        personas,
        pd.DataFrame() if earlier is None else earlier,
        latest,
        refit=list(refit),
        as_of_on=date(2024, 6, 30),
        random_seed=seed,
        minimum_overlap=0.5,
    )


def centres_of(fits):
    return fits.pivot(index="segment_id", columns="feature_position", values="centre").to_numpy()


def counts_of(fits):
    return fits.drop_duplicates("segment_id").set_index("segment_id")["training_count"].to_dict()


def assigned(fits, values):
    """Assign as a reader of the table would: fill, standardise, nearest centre."""
    feature = fits.drop_duplicates("feature_position").sort_values("feature_position")
    filled = np.where(np.isfinite(values), values, feature["fill_value"].to_numpy())
    scaled = (filled - feature["shift"].to_numpy()) / feature["scale"].to_numpy()
    distances = ((scaled[:, None, :] - centres_of(fits)[None, :, :]) ** 2).sum(axis=2)
    return distances.argmin(axis=1) + 1, distances.min(axis=1)


def duckdb_types(frame):
    described = duckdb.sql("describe select * from frame").fetchall()
    return [(name, dtype) for name, dtype, *_ in described]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads cost small fits more than they give when the cores are busy."""
    with threadpool_limits(1):
        yield


# Against scikit-learn and pandas


def test_centres_and_inertia_equal_scikit_learn_on_standardised_values():
    values = np.random.default_rng(3).normal(size=(300, 3)) * [1, 50, 0.01] + [5, -20, 0]
    result = fit(specification(k=5), as_inputs(values))
    scaled = StandardScaler().fit_transform(values)
    model = KMeans(n_clusters=5, n_init=20, random_state=7, algorithm="lloyd").fit(scaled)
    expected = sorted(model.cluster_centers_.tolist())
    assert np.allclose(sorted(centres_of(result).tolist()), expected, rtol=1e-9, atol=1e-12)
    assert np.allclose(result["inertia"], model.inertia_, rtol=1e-9)
    expected_counts = np.bincount(model.labels_).tolist()
    assert sorted(counts_of(result).values()) == sorted(expected_counts)
    assert (result["entity_count"] == 300).all()
    assert (result["outcome"] == "fitted").all()


def test_shift_scale_and_fill_equal_pandas():
    values = np.random.default_rng(4).lognormal(size=(200, 3))
    values[::7, 0] = np.nan
    values[::5, 1] = np.inf
    values[::11, 2] = -np.inf
    rules = ["median", "mean", "zero"]
    spec = specification()
    for feature, rule in zip(spec["features"], rules, strict=True):
        feature["missing"] = rule
    result = fit(spec, as_inputs(values)).drop_duplicates("feature").set_index("feature")
    table = pd.DataFrame(values, columns=FEATURES).replace([np.inf, -np.inf], np.nan)
    fills = {
        "income": table["income"].median(),
        "balance": table["balance"].mean(),
        "sessions": 0.0,
    }
    filled = table.fillna(fills)
    for feature in FEATURES:
        assert result.loc[feature, "fill_value"] == pytest.approx(fills[feature], rel=1e-12)
        assert result.loc[feature, "shift"] == pytest.approx(filled[feature].mean(), rel=1e-12)
        assert result.loc[feature, "scale"] == pytest.approx(filled[feature].std(ddof=0), rel=1e-12)


@pytest.mark.parametrize(
    ("transform", "expected"),
    [("none", 8.0), ("log1p", math.log(9)), ("sqrt", math.sqrt(8)), ("asinh", math.asinh(8))],
)
def test_a_number_for_missing_is_transformed_as_the_feature_is(transform, expected):
    values = grouped_values()
    values[:3, 0] = np.nan
    result = fit(specification(missing=8, transform=transform), as_inputs(values))
    assert result["fill_value"].to_numpy() == pytest.approx(expected)
    assert (result["transform"] == transform).all()


def test_a_number_outside_the_transform_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"'income' .* -4\.0, .* sqrt is not defined"):
        fit(specification(missing=-4, transform="sqrt"), as_inputs(grouped_values()))


def test_the_table_alone_assigns_every_entity_as_the_fit_did():
    values = grouped_values()
    values[3, 1] = np.nan
    values[50, 2] = np.inf
    result = fit(specification(), as_inputs(values), PERSONAS)
    segments, distances = assigned(result, values)
    assert pd.Series(segments).value_counts().to_dict() == counts_of(result)
    assert result["inertia"].iloc[0] == pytest.approx(distances.sum(), rel=1e-9)


@pytest.mark.parametrize("magnitude", [1e-200, 1e-12, 1e12, 1e200])
def test_extreme_magnitudes_fit_as_ordinary_ones_do(magnitude):
    ordinary = fit(specification(), as_inputs(grouped_values()))
    extreme = fit(specification(), as_inputs(grouped_values() * magnitude))
    assert np.allclose(centres_of(extreme), centres_of(ordinary), rtol=1e-9)
    assert extreme["inertia"].iloc[0] == pytest.approx(ordinary["inertia"].iloc[0], rel=1e-9)


# Order of rows, seeds, ids


@settings(max_examples=25, deadline=None, database=None)
@given(
    values=st.lists(
        st.tuples(*[st.one_of(st.floats(-1e6, 1e6), st.just(math.nan), st.just(math.inf))] * 3),
        min_size=1,
        max_size=25,
    ),
    shuffle=st.randoms(use_true_random=False),
)
def test_row_order_never_matters(values, shuffle):
    inputs = as_inputs(values)
    order = list(range(len(values)))
    shuffle.shuffle(order)
    spec = specification(k=3)
    pd.testing.assert_frame_equal(
        fit(spec, inputs, PERSONAS), fit(spec, inputs.iloc[order], PERSONAS), check_exact=True
    )


@settings(max_examples=25, deadline=None, database=None)
@given(seed=st.integers(0, 2**31 - 1), data_seed=st.integers(0, 1000))
def test_any_random_seed_gives_the_same_ids_on_separated_groups(seed, data_seed):
    values = grouped_values(data_seed)
    group = np.repeat([1, 2, 3, 4], GROUP_SIZES)
    for personas in (PERSONAS, NO_PERSONAS):
        result = fit(specification(), as_inputs(values), personas, seed=seed)
        assert (assigned(result, values)[0] == group).all()


def test_ids_ignore_the_labels_of_k_means(monkeypatch):
    original = KMeans.fit
    plain = fit(specification(), as_inputs(grouped_values()), PERSONAS)

    def fit_relabelled(self, values):
        original(self, values)
        permutation = np.array([2, 0, 3, 1])
        self.cluster_centers_ = self.cluster_centers_[permutation]
        self.labels_ = np.argsort(permutation)[self.labels_]
        return self

    monkeypatch.setattr(KMeans, "fit", fit_relabelled)
    relabelled = fit(specification(), as_inputs(grouped_values()), PERSONAS)
    pd.testing.assert_frame_equal(plain, relabelled)
    relabelled = fit(specification(), as_inputs(grouped_values()))
    assert list(counts_of(relabelled).values()) == GROUP_SIZES


def test_ids_follow_the_order_of_the_personas():
    order = ["Occasional", "Saver", "Power", "Spender"]
    personas = as_personas({persona: PERSONA_DIRECTIONS[persona] for persona in order})
    result = fit(specification(), as_inputs(grouped_values()), personas)
    assert counts_of(result) == {1: 10, 2: 20, 3: 40, 4: 30}


def test_segments_without_a_persona_follow_the_largest_first():
    personas = as_personas({"Occasional": PERSONA_DIRECTIONS["Occasional"]})
    result = fit(specification(), as_inputs(grouped_values()), personas)
    assert counts_of(result) == {1: 10, 2: 40, 3: 30, 4: 20}


def test_segments_of_one_size_are_ordered_by_centre():
    values = np.repeat([[5.0, 0], [-5, 1], [-5, -1], [0, 0]], 5, axis=0)
    result = fit(specification(features=FEATURES[:2]), as_inputs(values))
    centres = centres_of(result).round(6).tolist()
    assert centres == sorted(centres)


def members_of(fits, inputs, name="behaviour"):
    """Where each entity is under a fit, as `latest_members` has it."""
    columns = [column for column in inputs if column.startswith("value_")]
    places, _ = assigned(fits, inputs[columns].to_numpy())
    ids = np.sort(fits["segment_id"].unique())
    return pd.DataFrame(
        {"segmentation": name, "entity_id": inputs["entity_id"], "segment_id": ids[places - 1]}
    )


def test_personas_number_the_segments_of_a_first_fit_only():
    inputs = as_inputs(grouped_values())
    first = fit(specification(), inputs, PERSONAS)
    backwards = as_personas(dict(reversed(PERSONA_DIRECTIONS.items())))
    for refit in ([], ["all"]):
        again = fit(specification(), inputs, backwards, first, refit)
        assert again.empty, "the fit of the same data stands"
    newer = as_inputs(grouped_values() + 1e-6)
    latest = members_of(first, inputs)
    new = fit(specification(), newer, backwards, first, ["all"], latest=latest)
    assert counts_of(new) == counts_of(first)
    assert np.allclose(centres_of(new), centres_of(first))


# Identity


def test_a_group_that_is_new_gets_an_id_of_its_own_and_the_others_keep_theirs():
    inputs = as_inputs(grouped_values())
    first = fit(specification(), inputs, PERSONAS)
    newcomers = np.array([40.0, 40.0, -40.0]) + np.random.default_rng(1).normal(size=(25, 3))
    newer = as_inputs(np.vstack([grouped_values(), newcomers]))
    new = fit(specification(5), newer, PERSONAS, first, latest=members_of(first, inputs))
    assert counts_of(new) == {**counts_of(first), 5: 25}
    assert new["fit_number"].unique() == [2]


def test_of_two_groups_that_fuse_one_id_is_retired_and_never_used_again():
    inputs = as_inputs(grouped_values())
    first = fit(specification(), inputs, PERSONAS)
    values = grouped_values()
    is_saver = np.repeat(np.arange(4), GROUP_SIZES) == 2
    values[is_saver] += GROUP_CENTRES[1] - GROUP_CENTRES[2]
    fused = as_inputs(values)
    second = fit(specification(3), fused, PERSONAS, first, latest=members_of(first, inputs))
    kept = set(second["segment_id"])
    assert len(kept) == 3 and kept < {1, 2, 3, 4}
    (retired,) = {1, 2, 3, 4} - kept
    assert retired in (2, 3), "the group of 30 fused with the group of 20: its like is the larger"
    assert retired == 3
    third = fit(
        specification(),
        inputs,
        PERSONAS,
        pd.concat([first, second]),
        ["all"],
        seed=8,
        latest=members_of(second, fused),
    )
    assert set(third["segment_id"]) == {1, 2, 4, 5}


def test_ids_follow_shared_members_not_centres():
    """All customers move the same way: the groups are who is in them, not where they are."""
    inputs = as_inputs(grouped_values())
    first = fit(specification(), inputs, PERSONAS)
    moved = as_inputs(-grouped_values())
    new = fit(specification(), moved, PERSONAS, first, ["all"], latest=members_of(first, inputs))
    assert counts_of(new) == counts_of(first)
    assert np.allclose(centres_of(new), -centres_of(first), atol=1e-9)


def test_without_known_members_no_id_is_given_twice():
    inputs = as_inputs(grouped_values())
    first = fit(specification(), inputs, PERSONAS)
    new = fit(specification(), as_inputs(grouped_values(1)), PERSONAS, first, ["all"])
    assert set(new["segment_id"]) == {5, 6, 7, 8}


# Which fit is in use


def choose(fits, earlier=None, rollback=None, specifications=None):
    return choose_fits(
        [specification()] if specifications is None else specifications,
        fits,
        pd.DataFrame() if earlier is None else earlier,
        rollback=rollback,
        as_of_on=date(2024, 7, 31),
    )


def test_the_newest_fit_is_in_use_until_someone_goes_back():
    inputs = as_inputs(grouped_values())
    first = fit(specification(), inputs, PERSONAS)
    second = fit(specification(), as_inputs(grouped_values(1)), PERSONAS, first, ["all"])
    fits = pd.concat([first, second])
    choices = choose(fits)
    assert choices["choice_number"].tolist() == [1, 2]
    assert choices["fit_id"].tolist() == fits["fit_id"].unique().tolist()
    assert choose(fits, choices).empty
    in_use = current_fits([specification()], fits, choices)
    pd.testing.assert_frame_equal(in_use, second)
    back = choose(fits, choices, rollback=first["fit_id"].iloc[0])
    assert back["choice_number"].tolist() == [3] and back["choice_reason"].tolist() == ["rollback"]
    in_use = current_fits([specification()], fits, pd.concat([choices, back]))
    pd.testing.assert_frame_equal(in_use, first)


def test_going_back_to_no_fit_or_to_another_specifications_is_refused_in_a_sentence():
    fits = fit(specification(), as_inputs(grouped_values()), PERSONAS)
    with pytest.raises(ValueError, match="FIT names 'behaviour-x', which is no fit; there are"):
        choose(fits, rollback="behaviour-x")
    with pytest.raises(ValueError, match="made by another specification of 'behaviour'"):
        choose(fits, rollback=fits["fit_id"].iloc[0], specifications=[specification(3)])


# Which specifications are fitted


def test_a_specification_that_has_a_fit_is_left_alone_whatever_the_data():
    first = fit(specification(), as_inputs(grouped_values(0)))
    assert fit(specification(), as_inputs(grouped_values(1)), earlier=first).empty


def test_another_specification_is_fitted_beside_it():
    first = fit(specification(), as_inputs(grouped_values()))
    second = fit(specification(k=3), as_inputs(grouped_values()), earlier=first)
    assert set(second["fit_number"]) == {2}
    assert set(second["requested_k"]) == {3}
    both = pd.concat([first, second])
    assert fit(specification(), as_inputs(grouped_values()), earlier=both).empty


def test_refit_adds_a_fit_of_new_data_and_counts_on():
    first = fit(specification(), as_inputs(grouped_values(0)))
    for refit in (["behaviour"], ["all"]):
        second = fit(specification(), as_inputs(grouped_values(1)), earlier=first, refit=refit)
        assert set(second["fit_number"]) == {2}
        assert set(second["fit_id"]).isdisjoint(first["fit_id"])
    both = pd.concat([first, second])
    third = fit(specification(), as_inputs(grouped_values(2)), earlier=both, refit=["all"])
    assert set(third["fit_number"]) == {3}


def test_refit_of_the_same_data_adds_nothing():
    first = fit(specification(), as_inputs(grouped_values()))
    assert fit(specification(), as_inputs(grouped_values()), earlier=first, refit=["all"]).empty


def test_refit_of_the_same_data_with_another_seed_is_another_fit():
    first = fit(specification(), as_inputs(grouped_values()))
    inputs = as_inputs(grouped_values())
    second = fit(specification(), inputs, earlier=first, refit=["all"], seed=8)
    assert set(second["fit_number"]) == {2}
    assert set(second["fit_id"]).isdisjoint(first["fit_id"])


def test_refit_of_an_unknown_segmentation_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"'behavior', but the active .* are behaviour\."):
        fit(specification(), as_inputs(grouped_values()), refit=["behavior"])


def test_refit_touches_only_the_segmentation_it_names():
    specs = [specification(), specification(name="cards", k=2)]
    first_inputs = pd.concat(
        [as_inputs(grouped_values(0)), as_inputs(grouped_values(1), name="cards")]
    )
    next_inputs = pd.concat(
        [as_inputs(grouped_values(2)), as_inputs(grouped_values(3), name="cards")]
    )
    first = fit(specs, first_inputs)
    assert first["segmentation"].unique().tolist() == ["behaviour", "cards"]
    assert set(first["fit_number"]) == {1}
    second = fit(specs, next_inputs, earlier=first, refit=["cards"])
    assert second["segmentation"].unique().tolist() == ["cards"]
    assert set(second["fit_number"]) == {2}


def test_a_degenerate_fit_gives_way_to_a_real_one_without_being_asked():
    few = as_inputs(grouped_values()[:3])
    first = fit(specification(), few)
    assert set(first["outcome"]) == {"too_few_entities"}
    assert fit(specification(), few, earlier=first).empty
    assert fit(specification(), few, earlier=first, refit=["all"]).empty
    real = fit(specification(), as_inputs(grouped_values()), earlier=first)
    assert set(real["outcome"]) == {"fitted"}
    assert set(real["fit_number"]) == {2}
    both = pd.concat([first, real])
    assert fit(specification(), as_inputs(grouped_values(1)), earlier=both).empty


def test_earlier_fits_read_back_from_duckdb_are_understood():
    first = fit(specification(), as_inputs(grouped_values()), PERSONAS)
    read_back = duckdb.sql("select * from first").df()
    assert fit(specification(), as_inputs(grouped_values(1)), earlier=read_back).empty
    again = fit(specification(), as_inputs(grouped_values()), earlier=read_back, refit=["all"])
    assert again.empty
    pd.testing.assert_frame_equal(conform(read_back, FITS), first)


# Hashes


def test_the_specification_hash_is_sha256_of_canonical_json():
    content = (
        '{"features":[{"missing":"median","name":"income","transform":"none","values":null}],'
        '"grain":"customer","k":4,"name":"behaviour"}'
    )
    expected = hashlib.sha256(content.encode()).hexdigest()[:16]
    assert json.loads(content)["k"] == 4
    assert specification_hash(specification(features=["income"])) == expected


def test_the_specification_hash_follows_what_a_fit_depends_on_and_nothing_else():
    plain = specification_hash(specification())
    others = [
        specification(k=5),
        specification(missing="mean"),
        specification(missing=1),
        specification(transform="log1p"),
        specification(features=FEATURES[::-1]),
        specification(name="other"),
        specification() | {"grain": "card_account"},
        specification()
        | {"features": [f | {"values": {"yes": 1}} for f in specification()["features"]]},
    ]
    assert len({plain, *map(specification_hash, others)}) == 1 + len(others)
    described = specification() | {"description": "x", "personas": ["y"]}
    described["features"] = [f | {"description": "z"} for f in described["features"]]
    assert specification_hash(described) == plain
    assert specification_hash(specification(missing=0)) == specification_hash(
        specification(missing=0.0)
    )


def test_the_data_hash_follows_ids_and_exact_values():
    values = grouped_values()

    def hash_of(inputs):
        return fit(specification(), inputs)["data_hash"].iloc[0]

    plain = hash_of(as_inputs(values))
    nudged = values.copy()
    nudged[0, 0] = np.nextafter(nudged[0, 0], np.inf)
    assert hash_of(as_inputs(nudged)) != plain
    assert hash_of(as_inputs(values, [f"D{i:05d}" for i in range(len(values))])) != plain
    with_nan, with_infinity = values.copy(), values.copy()
    with_nan[0, 0], with_infinity[0, 0] = -np.nan, np.inf
    assert hash_of(as_inputs(with_nan)) == hash_of(as_inputs(with_infinity)) != plain


# Data that form no groups


@pytest.mark.parametrize("entity_count", [2, 3])
def test_fewer_entities_than_segments_give_one_segment(entity_count):
    values = grouped_values()[:entity_count]
    result = fit(specification(), as_inputs(values), PERSONAS)
    assert set(result["outcome"]) == {"too_few_entities"}
    assert result["segment_id"].tolist() == [1, 1, 1]
    assert np.allclose(result["centre"], 0, atol=1e-12)
    assert np.allclose(result["shift"], values.mean(axis=0))
    assert set(result["training_count"]) == {entity_count}
    assert result["inertia"].iloc[0] == pytest.approx(3 * entity_count)


def test_one_entity_gives_one_segment():
    result = fit(specification(), as_inputs([[1.0, np.nan, 3.0]]))
    assert set(result["outcome"]) == {"too_few_entities"}
    assert result["shift"].tolist() == [1, 0, 3]
    assert result["scale"].tolist() == [1, 1, 1]
    assert result["centre"].tolist() == [0, 0, 0]


@pytest.mark.parametrize("entity_count", [2, 4, 50])
@pytest.mark.parametrize("value", [0.1, -0.0, np.nan, 1e300])
def test_equal_entities_give_one_segment_called_so(entity_count, value):
    result = fit(specification(), as_inputs(np.full((entity_count, 3), value)))
    assert set(result["outcome"]) == {"all_equal"}
    assert set(result["scale"]) == {1.0}
    assert set(result["centre"]) == {0.0}
    assert set(result["training_count"]) == {entity_count}
    assert set(result["inertia"]) == {0.0}


def test_many_entities_of_too_few_kinds_give_one_segment():
    values = np.repeat(GROUP_CENTRES[:3], 30, axis=0)
    result = fit(specification(), as_inputs(values))
    assert set(result["outcome"]) == {"too_few_entities"}
    assert set(result["training_count"]) == {90}


def test_exactly_as_many_kinds_as_segments_are_fitted():
    result = fit(specification(), as_inputs(np.repeat(GROUP_CENTRES, 2, axis=0)))
    assert set(result["outcome"]) == {"fitted"}
    assert result["inertia"].iloc[0] == pytest.approx(0, abs=1e-12)


def test_rows_that_differ_by_rounding_alone_are_no_kinds_of_their_own():
    noise = np.array([0.3, 0.1 + 0.2, 0.3, 0.1 + 0.2])[:, None]
    assert noise[0] != noise[1]
    result = fit(specification(k=2, features=["income"]), as_inputs(noise))
    assert set(result["outcome"]) == {"all_equal"}


def test_kinds_that_k_means_cannot_tell_apart_are_not_counted_as_groups():
    kinds = np.array([[0.0], [1.0], [1.0 + 1e-12]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = fit(specification(k=3, features=["income"]), as_inputs(kinds))
    assert set(result["outcome"]) == {"too_few_entities"}
    assert result["training_count"].tolist() == [3]


def test_one_segment_of_varied_entities_is_a_fit():
    result = fit(specification(k=1), as_inputs(grouped_values()))
    assert set(result["outcome"]) == {"fitted"}
    assert np.allclose(result["centre"], 0, atol=1e-9)


def test_a_constant_column_keeps_its_value_and_decides_nothing():
    values = grouped_values()
    values[:, 2] = 0.1
    result = fit(specification(), as_inputs(values))
    constant = result[result["feature"] == "sessions"]
    assert set(constant["shift"]) == {0.1}
    assert set(constant["scale"]) == {1.0}
    assert set(constant["centre"]) == {0.0}
    without = fit(specification(features=FEATURES[:2]), as_inputs(values[:, :2]))
    assert np.allclose(centres_of(result)[:, :2], centres_of(without))


@pytest.mark.parametrize(("rule", "fill"), [("median", 0), ("mean", 0), ("zero", 0), (5, 5)])
def test_an_all_missing_column_is_constant(rule, fill):
    values = grouped_values()
    values[:, 1] = np.nan
    result = fit(specification(missing=rule), as_inputs(values))
    column = result[result["feature"] == "balance"]
    assert set(column["fill_value"]) == {fill}
    assert set(column["shift"]) == {fill}
    assert set(column["scale"]) == {1.0}
    assert set(column["centre"]) == {0.0}


@settings(max_examples=60, deadline=None, database=None)
@given(
    values=st.lists(
        st.tuples(
            st.one_of(st.floats(-1e300, 1e300), st.sampled_from([math.nan, math.inf, 0.0])),
            st.sampled_from([0.0, 1.0, math.nan]),
        ),
        max_size=12,
    ),
    k=st.integers(1, 5),
    rule=st.sampled_from(["median", "mean", "zero", 2.5]),
)
def test_any_data_has_a_defined_outcome(values, k, rule):
    inputs = as_inputs(np.array(values).reshape(-1, 2))
    result = fit(specification(k=k, missing=rule, features=FEATURES[:2]), inputs, NO_PERSONAS)
    if not values:
        assert result.empty
        return
    segment_count = k if set(result["outcome"]) == {"fitted"} else 1
    assert result["segment_id"].unique().tolist() == list(range(1, segment_count + 1))
    assert sum(counts_of(result).values()) == len(values)
    numbers = result[["fill_value", "shift", "scale", "centre", "inertia"]].to_numpy()
    assert np.isfinite(numbers).all()
    assert (result["scale"] > 0).all()
    assert (result["training_count"] > 0).all()


# Shape and refusals


def test_rows_are_one_per_segment_and_feature_in_order():
    result = fit(specification(), as_inputs(grouped_values()), PERSONAS)
    assert result["segment_id"].tolist() == [1] * 3 + [2] * 3 + [3] * 3 + [4] * 3
    assert result["feature"].tolist() == FEATURES * 4
    assert result["feature_position"].tolist() == [1, 2, 3] * 4
    assert set(result["as_of_on"]) == {pd.Timestamp("2024-06-30")}
    assert set(result["random_seed"]) == {7}
    assert result["fit_id"].str.fullmatch(r"behaviour-[0-9a-f]{12}").all()
    assert result["specification_hash"].str.fullmatch(r"[0-9a-f]{16}").all()
    assert result["data_hash"].str.fullmatch(r"[0-9a-f]{16}").all()


def test_an_empty_result_has_the_types_of_a_full_one():
    full = fit(specification(), as_inputs(grouped_values()))
    untyped_inputs = pd.DataFrame(columns=as_inputs([[1, 2, 3]]).columns)
    for empty in (
        fit([], as_inputs(grouped_values())),
        fit(specification(), as_inputs(grouped_values())[:0]),
        fit(specification(), untyped_inputs),
        fit(specification(), as_inputs(grouped_values()), earlier=full),
    ):
        assert len(empty) == 0
        assert empty.dtypes.to_dict() == full.dtypes.to_dict()
        assert duckdb_types(empty) == duckdb_types(full)
    types = dict(duckdb_types(full))
    assert list(types) == list(FITS)
    assert types["fit_id"] == types["feature"] == types["outcome"] == "VARCHAR"
    assert types["segment_id"] == types["fit_number"] == types["random_seed"] == "BIGINT"
    assert types["centre"] == types["inertia"] == types["fill_value"] == "DOUBLE"
    assert types["as_of_on"] == "TIMESTAMP"


def test_a_specification_without_entities_gets_no_rows():
    specs = [specification(), specification(name="cards")]
    assert set(fit(specs, as_inputs(grouped_values()))["segmentation"]) == {"behaviour"}


def test_inputs_are_left_unchanged():
    inputs = as_inputs(grouped_values())
    inputs.loc[0, "value_01"] = np.inf
    before = inputs.copy(deep=True)
    fit(specification(), inputs)
    pd.testing.assert_frame_equal(inputs, before)


def test_columns_beyond_the_specification_are_ignored():
    inputs = as_inputs(grouped_values())
    wider = inputs.assign(value_04=np.nan, value_05=1.0)
    pd.testing.assert_frame_equal(fit(specification(), inputs), fit(specification(), wider))


def test_inputs_that_lack_a_column_or_repeat_an_entity_are_refused_in_a_sentence():
    inputs = as_inputs(grouped_values())
    with pytest.raises(ValueError, match=r"'behaviour' has 3 features, but .* 'value_03'"):
        fit(specification(), inputs.drop(columns="value_03"))
    with pytest.raises(ValueError, match="hold the entity 'C00000' twice"):
        fit(specification(), pd.concat([inputs, inputs[:1]]))
    inputs.loc[4, "entity_id"] = None
    with pytest.raises(ValueError, match="hold an entity without id"):
        fit(specification(), inputs)


@pytest.mark.parametrize("rule", ["mode", None, True, math.nan])
def test_an_unknown_missing_rule_is_refused_in_a_sentence(rule):
    with pytest.raises(ValueError, match="median, mean, zero or a finite number"):
        fit(specification(missing=rule), as_inputs(grouped_values()))


def test_a_persona_with_an_unknown_feature_stops_the_fit_in_a_sentence():
    personas = as_personas({"Power": {"income": 1, "loyalty": 1}})
    with pytest.raises(ValueError, match=r"'Power' .* 'loyalty'; .* income, balance, sessions\."):
        fit(specification(), as_inputs(grouped_values()), personas)


def test_personas_of_other_segmentations_have_no_influence():
    others = as_personas({"Power": {"limit": 1}}, segmentation="cards")
    inputs = as_inputs(grouped_values())
    both = pd.concat([PERSONAS, others])
    pd.testing.assert_frame_equal(
        fit(specification(), inputs, PERSONAS), fit(specification(), inputs, both)
    )
