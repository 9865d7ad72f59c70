"""Figures of 1 to 10 segments against plain numpy, and the rule on planted data."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import davies_bouldin_score, silhouette_score
from threadpoolctl import threadpool_limits

from segmentation.fit import fit_missing, specification_hash
from segmentation.frames import FIT_QUALITY
from segmentation.quality import _by_rule, _Quality, _Rule, _stabilities, fit_quality

SEED = 20260630
# Few sets and draws where a test asks nothing of their number.
QUICK = {"reference_sets": 4, "bootstraps": 6, "sample_size": 300}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    with threadpool_limits(1):
        yield


def specification(k="auto", feature_count=3, **other):
    features = [
        {"name": f"x{place}", "transform": "none", "missing": "median"}
        for place in range(feature_count)
    ]
    return {"name": "tried", "grain": "card_account", "k": k, "features": features} | other


def as_inputs(values):
    columns = [f"value_{place:02d}" for place in range(1, values.shape[1] + 1)]
    frame = pd.DataFrame(values, columns=columns)
    frame.insert(0, "entity_id", [f"C{row:06d}" for row in range(len(values))])
    frame.insert(0, "segmentation", "tried")
    return frame


def measured(values, k="auto", earlier=None, refit=(), seed=SEED, **other):
    keys = {key: other.pop(key) for key in ("k_range", "name") if key in other}
    arguments = {
        "sample_size": 1000,
        "minimum_stability": 0.75,
        "minimum_share": 0.02,
        "reference_sets": 10,
        "bootstraps": 15,
    } | other
    return fit_quality(
        [specification(k, values.shape[1], **keys)],
        as_inputs(values),
        pd.DataFrame() if earlier is None else earlier,
        refit=list(refit),
        random_seed=seed,
        **arguments,
    )


def chosen(quality):
    (row,) = quality[quality["is_chosen"]].to_dict("records")
    return row


def grouped(random, group_count=4, count=1000, feature_count=4, distance=8.0):
    """Groups of normal entities, every two of which are `distance` deviations apart."""
    centres = np.eye(group_count, feature_count) * distance / np.sqrt(2)
    return centres[random.integers(group_count, size=count)] + random.normal(
        size=(count, feature_count)
    )


# The rule on planted data


@pytest.mark.parametrize("group_count", [2, 4, 6])
def test_separated_groups_are_counted(group_count):
    values = grouped(np.random.default_rng(group_count), group_count, feature_count=6)
    assert chosen(measured(values))["k"] == group_count


@pytest.mark.parametrize("kind", ["round", "tilted", "heavy", "uniform"])
def test_a_single_cloud_stays_one_segment(kind):
    random = np.random.default_rng(7)
    values = random.normal(size=(1000, 5))
    if kind == "tilted":
        values = values @ random.normal(size=(5, 5))
    if kind == "heavy":
        values = random.lognormal(size=(1000, 5))
    if kind == "uniform":
        values = random.uniform(size=(1000, 5))
    row = chosen(measured(values))
    assert row["k"] == 1
    assert "one segment" in row["reason"]


def test_a_handful_of_outliers_is_no_segment():
    random = np.random.default_rng(9)
    values = np.vstack([random.normal(size=(990, 3)), random.normal(size=(10, 3)) + 60])
    assert chosen(measured(values))["k"] == 1
    assert chosen(measured(values, minimum_share=0.001))["k"] == 2


def test_the_range_bounds_the_choice():
    values = grouped(np.random.default_rng(1), feature_count=4)
    assert chosen(measured(values, k_range=[2, 3]))["k"] in (2, 3)
    assert chosen(measured(values, k_range=[2, 8]))["k"] == 4
    cloud = chosen(measured(np.random.default_rng(2).normal(size=(600, 5)), k_range=[2, 8]))
    assert 2 <= cloud["k"] <= 8
    assert cloud["reason"].startswith("No division into 2 to 8 is stable in every segment")


def test_a_given_number_stays_and_the_reason_says_what_the_rule_would_have_chosen():
    values = grouped(np.random.default_rng(3))
    row = chosen(measured(values, k=6))
    assert row["k"] == 6
    assert row["reason"].startswith(
        "The specification gives 6 segments. The rule would have chosen 4 segments: the gap"
    )
    assert "chosen 4 segments too: " in chosen(measured(values, k=4))["reason"]


def rows_of(*figures):
    return [
        _Quality(k, gap=gap, gap_standard_error=error, least_stability=steady, smallest_share=share)
        for k, (gap, error, steady, share) in enumerate(figures, start=1)
    ]


@pytest.mark.parametrize(
    ("figures", "numbers", "expected"),
    [
        # The largest gap of those that are stable and large enough.
        ([(1, 0.1, 1, 1), (2, 0.1, 0.9, 0.4), (3, 0.1, 0.7, 0.3), (4, 0.1, 0.9, 0.01)], (1, 4), 2),
        # The smallest within one standard error of it.
        ([(1, 0.1, 1, 1), (1.95, 0.1, 0.9, 0.4), (2, 0.1, 0.9, 0.3)], (1, 3), 2),
        ([(1, 0.1, 1, 1), (1.85, 0.1, 0.9, 0.4), (2, 0.1, 0.9, 0.3)], (1, 3), 3),
        ([(2, 0.1, 1, 1), (1, 0.1, 0.9, 0.4)], (1, 2), 1),
        # Both limits belong to the candidates.
        ([(1, 0.1, 1, 1), (2, 0.1, 0.75, 0.02)], (1, 2), 2),
        # Without a candidate the most stable one, the smaller of two alike.
        ([(1, 0.1, 1, 1), (2, 0.1, 0.5, 0.4), (3, 0.1, 0.6, 0.3), (4, 0.1, 0.6, 0.2)], (2, 4), 3),
        # What could not be measured is no candidate.
        ([(1, 0.1, 1, 1), (np.nan, np.nan, np.nan, np.nan)], (1, 2), 1),
    ],
)
def test_the_rule_is_the_one_that_is_stated(figures, numbers, expected):
    rule = _Rule(0.75, 0.02, "customers")
    assert _by_rule(rows_of(*figures), range(numbers[0], numbers[1] + 1), rule)[0] == expected


# The figures


def test_figures_of_clear_groups_equal_those_of_plain_functions():
    values = grouped(np.random.default_rng(11), count=400)
    quality = measured(values, k=4).set_index("k")
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    assert quality.loc[1, "within_squares"] == pytest.approx(values.shape[1])
    for k in (2, 4):
        model = KMeans(k, n_init=50, random_state=0).fit(scaled)
        row = quality.loc[k]
        assert row["within_squares"] == pytest.approx(model.inertia_ / 400, rel=1e-3)
        if k == 4:
            assert row["silhouette"] == pytest.approx(silhouette_score(scaled, model.labels_))
            assert row["davies_bouldin"] == pytest.approx(
                davies_bouldin_score(scaled, model.labels_)
            )
            assert row["smallest_share"] == np.bincount(model.labels_).min() / 400
    assert quality.loc[1, ["stability", "least_stability", "smallest_share"]].tolist() == [1, 1, 1]
    assert quality.loc[1, ["silhouette", "davies_bouldin"]].isna().all()
    assert quality.loc[4, "least_stability"] > 0.97


def test_the_gap_of_one_segment_has_its_exact_expectation_and_deviation():
    # The reference sets have the data's variances, so that W(1) is theirs but for chance.
    random = np.random.default_rng(12)
    values = random.normal(size=(500, 3)) @ random.normal(size=(3, 3))
    row = measured(values, reference_sets=200, bootstraps=1).iloc[0]
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    variances = np.linalg.eigvalsh(np.cov(scaled.T, bias=True))
    assert row["gap"] == pytest.approx(0, abs=5 * row["gap_standard_error"] / 200**0.5)
    # The square of a uniform number of variance v has the variance 0.8 v^2; log W has that of
    # W / E W.
    deviation = np.sqrt(0.8 * (variances**2).sum() / 500) / variances.sum()
    assert row["gap_standard_error"] == pytest.approx(deviation * np.sqrt(1 + 1 / 200), rel=0.2)


def test_stability_is_the_mean_of_the_best_jaccard_of_drawn_members(monkeypatch):
    values = np.arange(12.0)[:, np.newaxis]
    labels = np.repeat([0, 1, 2], 4)
    again = np.array([0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 0, 0])
    seen = []

    class Fitted:
        def __init__(self, drawn):
            self.labels_ = again[drawn]

    def k_means(rows, k, start_count, random, weights):
        drawn = rows[:, 0].astype(int)
        assert weights.sum() == 12
        seen.append(set(drawn))
        return Fitted(drawn)

    monkeypatch.setattr("segmentation.quality._k_means", k_means)
    found = _stabilities(values, labels, 3, 40, np.random.default_rng(13))
    expected = []
    for segment in range(3):
        best = []
        for drawn in seen:
            own = {row for row in drawn if labels[row] == segment}
            others = [{row for row in drawn if again[row] == other} for other in range(3)]
            best.append(max(len(own & o) / max(len(own | o), 1) for o in others))
        expected.append(np.mean(best))
    assert found == pytest.approx(expected)
    assert len(set(map(frozenset, seen))) > 30


# Kept by fit


def test_a_fit_that_has_its_quality_gets_none_again():
    values = grouped(np.random.default_rng(21), count=200)
    first = measured(values, **QUICK)
    assert len(first) == 10
    other_values = grouped(np.random.default_rng(22), count=200)
    assert measured(other_values, earlier=first, **QUICK).empty
    assert measured(values, earlier=first, refit=["all"], **QUICK).empty
    again = measured(other_values, earlier=first, refit=["tried"], **QUICK)
    assert set(again["fit_id"]).isdisjoint(first["fit_id"])
    assert len(measured(values, k=4, earlier=first, **QUICK)) == 10


def test_auto_is_fitted_with_the_number_that_was_chosen():
    values = grouped(np.random.default_rng(23))
    quality = measured(values)
    fits = fitted(values, quality)
    assert set(fits["fit_id"]) == set(quality["fit_id"])
    assert set(fits["requested_k"]) == {4}
    assert fits["segment_id"].nunique() == 4
    cloud = np.random.default_rng(24).normal(size=(500, 3))
    single = fitted(cloud, measured(cloud))
    assert set(single["outcome"]) == {"fitted"}
    assert set(single["segment_id"]) == {1}


def fitted(values, quality, k="auto", **keys):
    return fit_missing(
        [specification(k, values.shape[1], **keys)],
        as_inputs(values),
        pd.DataFrame(),
        pd.DataFrame(),
        pd.DataFrame(),
        refit=[],
        as_of_on="2026-06-30",
        random_seed=SEED,
        minimum_overlap=0.5,
        quality=quality,
    )


def test_auto_without_its_quality_is_refused_in_a_sentence():
    values = grouped(np.random.default_rng(25), count=100)
    with pytest.raises(ValueError, match="Segmentation 'tried' has k: auto, but its quality"):
        fitted(values, None)


def test_quality_of_the_same_specification_serves_data_that_changed_before_the_fit():
    random = np.random.default_rng(26)
    earlier = measured(grouped(random))
    assert fitted(grouped(random, count=500), earlier)["segment_id"].nunique() == 4


def test_the_range_counts_in_the_hash_and_numbers_hash_as_before():
    hashes = {
        specification_hash(specification(**keys))
        for keys in ({}, {"k_range": [2, 8]}, {"k_range": [1, 8]}, {"k": 1}, {"k": 10})
    }
    assert len(hashes) == 5
    assert specification_hash(specification()) == specification_hash(specification(k_range=[1, 10]))


@pytest.mark.parametrize(
    ("values", "k", "outcome", "reason"),
    [
        (np.ones((5, 2)), "auto", "all_equal", "All card accounts have the same features."),
        (np.ones((1, 2)), "auto", "too_few_entities", "too few different card accounts"),
        (np.arange(6.0).reshape(3, 2), 4, "too_few_entities", "for 4 segments"),
    ],
)
def test_entities_that_form_no_groups_have_one_segment(values, k, outcome, reason):
    quality = measured(values, k=k, **QUICK)
    row = chosen(quality)
    assert (row["k"], row["outcome"]) == (1, outcome)
    assert reason in row["reason"]
    assert set(fitted(values, quality, k)["outcome"]) == {outcome}


@pytest.mark.parametrize("count", [2, 3, 5, 12])
def test_few_entities_are_measured_as_far_as_they_go(count):
    quality = measured(np.random.default_rng(count).normal(size=(count, 2)), **QUICK)
    assert quality["k"].tolist() == list(range(1, 11))
    assert quality["gap"].notna().sum() == min(count, 10)
    assert np.isfinite(quality["gap"].dropna()).all()
    assert quality["is_chosen"].sum() == 1


def test_kinds_without_any_spread_are_counted():
    kinds = np.array([[0.0, 0], [1, 0], [0, 1], [1, 1]])
    values = np.repeat(kinds, 50, axis=0)
    assert chosen(measured(values))["k"] == 4


def test_more_segments_than_10_are_measured_where_they_are_asked_for():
    values = grouped(np.random.default_rng(31), count=200)
    quality = measured(values, k=12, **QUICK)
    assert quality["k"].tolist() == list(range(1, 13))
    assert chosen(quality)["k"] == 12
    assert measured(values, k_range=[2, 11], **QUICK)["k"].max() == 11


def test_quality_repeats_exactly_whatever_the_order_of_rows():
    values = grouped(np.random.default_rng(32), count=200)
    inputs = as_inputs(values)
    results = [
        fit_quality(
            [specification("auto", 4)],
            rows,
            pd.DataFrame(),
            refit=[],
            random_seed=SEED,
            minimum_stability=0.75,
            minimum_share=0.02,
            **QUICK,
        )
        for rows in (inputs, inputs.sample(frac=1, random_state=1))
    ]
    pd.testing.assert_frame_equal(*results)
    assert results[0].dtypes.astype(str).to_dict() == dict(FIT_QUALITY)


@pytest.mark.parametrize("name", ["sample_size", "reference_sets", "bootstraps"])
def test_measures_of_nothing_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0, but must be at least 1"):
        measured(np.ones((3, 1)), **{name: 0})


@pytest.mark.parametrize("name", ["minimum_stability", "minimum_share"])
def test_shares_beyond_1_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 2, but must be from 0 to 1"):
        measured(np.ones((3, 1)), **{name: 2})
