"""Noise checks: against scipy and scikit-learn, on planted effects, and on data of pure noise."""

import math
import warnings

import duckdb
import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, f_oneway, false_discovery_control, kstest
from scipy.stats.contingency import association
from sklearn.metrics import silhouette_score
from threadpoolctl import threadpool_limits

from segmentation.fit import fit_missing
from segmentation.frames import (
    FITS,
    OUTCOME_NOISE_CHECKS,
    SEGMENTATION_NOISE_CHECKS,
    VARIATION_SHARES,
    conform,
)
from segmentation.noise import outcome_noise_check, segmentation_noise_check, variation_shares

SEGMENT_SHARES = np.array([0.4, 0.3, 0.2, 0.1])
COMPONENTS = ["segment", "customer_within_segment", "channel", "residual"]


def ids_of(count):
    return [f"C{place:06d}" for place in range(count)]


def as_members(segment_ids, segmentation="behaviour"):
    return pd.DataFrame(
        {
            "segmentation": segmentation,
            "entity_id": ids_of(len(segment_ids)),
            "segment_id": np.asarray(segment_ids, dtype="int64"),
        }
    )


def as_outcomes(**columns):
    count = len(next(iter(columns.values())))
    return pd.DataFrame({"entity_id": ids_of(count), **columns})


def check_outcomes(members, outcomes, binary=(), permutations=200, seed=5, level=0.95):
    return outcome_noise_check(
        members,
        outcomes,
        binary_outcomes=binary,
        permutations=permutations,
        random_seed=seed,
        confidence_level=level,
    )


def drawn_segments(random, count):
    return 1 + random.choice(4, size=count, p=SEGMENT_SHARES)


def assert_holds(holds, share, alpha=0.001):
    """Fail less than once in 1,000 if `holds` are true with at least probability `share`."""
    assert np.sum(holds) >= binom.ppf(alpha, len(holds), share), np.mean(holds)


def duckdb_types(frame):
    return [(name, dtype) for name, dtype, *_ in duckdb.sql("describe from frame").fetchall()]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads cost small fits more than they give when the cores are busy."""
    with threadpool_limits(1):
        yield


# Outcomes: the effect


@pytest.mark.parametrize("seed", range(5))
def test_eta_squared_is_that_of_the_one_way_f_test(seed):
    random = np.random.default_rng(seed)
    segments = drawn_segments(random, 300)
    amount = random.lognormal(size=300) * 1e4 + segments * 3000 + 1e6
    amount[random.random(300) < 0.2] = np.nan
    result = check_outcomes(as_members(segments), as_outcomes(amount=amount)).iloc[0]
    groups = [amount[(segments == one) & ~np.isnan(amount)] for one in np.unique(segments)]
    size = sum(map(len, groups))
    between = f_oneway(*groups).statistic * (len(groups) - 1)
    assert result["effect"] == pytest.approx(between / (between + size - len(groups)), rel=1e-9)
    assert result["customer_count"] == size
    assert result["segment_count"] == len(groups)


@pytest.mark.parametrize("seed", range(5))
def test_cramers_v_is_that_of_the_contingency_table(seed):
    random = np.random.default_rng(seed)
    segments = drawn_segments(random, 300)
    buys = (random.random(300) < 0.1 + 0.05 * segments).astype(float)
    buys[random.random(300) < 0.2] = np.nan
    result = check_outcomes(as_members(segments), as_outcomes(buys=buys), ["buys"]).iloc[0]
    assert result["effect_name"] == "cramers_v"
    expected = association(
        pd.crosstab(segments[~np.isnan(buys)], buys[~np.isnan(buys)]).to_numpy(), method="cramer"
    )
    assert result["effect"] == pytest.approx(expected, rel=1e-9)


def test_permuted_effects_have_the_mean_that_permutations_have_exactly():
    random = np.random.default_rng(3)
    amount, buys = random.lognormal(size=120), (random.random(120) < 0.2) * 1.0
    members = as_members(drawn_segments(random, 120))
    outcomes = as_outcomes(amount=amount, buys=buys)
    exact = 3 / 119  # (segments - 1) / (customers - 1), whatever the values
    result = check_outcomes(members, outcomes, permutations=4000).set_index("outcome")
    assert result["permuted_mean"].to_numpy() == pytest.approx(exact, rel=0.06)


def test_drawn_counts_of_0_and_1_are_distributed_as_permuted_labels_make_them():
    random = np.random.default_rng(4)
    buys = (random.random(400) < 0.2) * 1.0
    members, outcomes = as_members(drawn_segments(random, 400)), as_outcomes(buys=buys)
    drawn = check_outcomes(members, outcomes, ["buys"], permutations=4000).iloc[0]
    shuffled = check_outcomes(members, outcomes, permutations=4000).iloc[0]
    assert drawn["effect"] ** 2 == pytest.approx(shuffled["effect"], rel=1e-9)
    assert drawn["permuted_95th_percentile"] ** 2 == pytest.approx(
        shuffled["permuted_95th_percentile"], rel=0.12
    )
    assert drawn["p"] == pytest.approx(shuffled["p"], abs=0.045)


# Outcomes: the verdict


@pytest.mark.parametrize("is_binary", [False, True])
def test_p_values_are_uniform_where_labels_mean_nothing(is_binary):
    random = np.random.default_rng(11)
    count, worlds = 300, 200
    values = (random.random(count) < 0.3) * 1.0 if is_binary else random.lognormal(size=count)
    members = pd.concat(
        as_members(drawn_segments(random, count), f"world_{world:03d}") for world in range(worlds)
    )
    result = check_outcomes(members, as_outcomes(value=values), ["value"] if is_binary else [])
    p_values = result["p"].to_numpy()
    assert len(p_values) == worlds
    assert kstest(p_values, "uniform").pvalue > 0.001
    assert binom.sf((p_values < 0.05).sum() - 1, worlds, 0.05) > 0.001


def test_a_p_value_counts_the_observed_labels_as_one_more_permutation():
    segments = np.repeat([1, 2, 3, 4], 100)
    result = check_outcomes(as_members(segments), as_outcomes(amount=segments * 10.0 + 0.5))
    assert result["p"].tolist() == [1 / 201]


def test_ties_with_the_observed_effect_count_against_it():
    # Two customers in two segments: every permutation has the same effect.
    result = check_outcomes(as_members([1, 2]), as_outcomes(amount=[0.1, 0.7]))
    assert result["p"].tolist() == [1.0]


def test_a_planted_effect_is_found_and_noise_beside_it_is_not():
    random = np.random.default_rng(8)
    segments = drawn_segments(random, 2000)
    noise = {f"noise_{place}": random.normal(size=2000) for place in range(6)}
    outcomes = as_outcomes(
        amount=random.lognormal(size=2000) * np.array([1, 1.2, 1.5, 2])[segments - 1],
        buys=random.random(2000) < np.array([0.05, 0.05, 0.1, 0.15])[segments - 1],
        **noise,
    )
    result = check_outcomes(as_members(segments), outcomes, ["buys"]).set_index("outcome")
    assert result.loc[["amount", "buys"], "explains_more_than_chance"].all()
    assert not result.loc[list(noise), "explains_more_than_chance"].any()


def test_noise_alone_rarely_explains_more_than_chance():
    random = np.random.default_rng(21)
    worlds = 100
    members = pd.concat(
        as_members(drawn_segments(random, 300), f"world_{world:03d}") for world in range(worlds)
    )
    noise = {f"noise_{place}": random.lognormal(size=300) for place in range(5)}
    result = check_outcomes(members, as_outcomes(**noise))
    worlds_with_a_find = result.groupby("segmentation")["explains_more_than_chance"].any().sum()
    assert binom.sf(worlds_with_a_find - 1, worlds, 0.05) > 0.001


def test_p_values_are_adjusted_within_a_segmentation_over_outcomes_that_have_one():
    random = np.random.default_rng(9)
    segments = drawn_segments(random, 500)
    columns = {
        f"outcome_{place}": random.normal(size=500) + 0.05 * place * segments for place in range(5)
    }
    outcomes = as_outcomes(constant=np.ones(500), nothing=np.full(500, np.nan), **columns)
    members = pd.concat([as_members(segments, "a"), as_members(drawn_segments(random, 500), "b")])
    result = check_outcomes(members, outcomes)
    for _, rows in result.groupby("segmentation"):
        known = rows.dropna(subset="p")
        assert len(known) == 5
        assert known["adjusted_p"].to_numpy() == pytest.approx(false_discovery_control(known["p"]))


def test_one_real_outcome_stands_out_among_many():
    random = np.random.default_rng(10)
    segments = drawn_segments(random, 400)
    noise = {f"noise_{place:02d}": random.normal(size=400) for place in range(29)}
    outcomes = as_outcomes(real=random.normal(size=400) + 2 * segments, **noise)
    result = check_outcomes(as_members(segments), outcomes).set_index("outcome")
    # With 200 permutations it would have 30 / 201, which nothing can bring below 0.05.
    assert result["permutation_count"].eq(600).all()
    assert result.loc["real", "explains_more_than_chance"]


# Outcomes: the interval


@pytest.mark.parametrize("distance", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("kind", ["normal", "binary"])
def test_intervals_hold_the_effect_of_the_population(kind, distance):
    random = np.random.default_rng(31)
    shifts = distance * np.array([0, 1, -1, 2])
    rates = 0.3 + shifts / 4
    if kind == "normal":
        between = SEGMENT_SHARES @ (shifts - SEGMENT_SHARES @ shifts) ** 2
        true_effect = between / (between + 1)
    else:
        mean = SEGMENT_SHARES @ rates
        true_effect = math.sqrt(SEGMENT_SHARES @ (rates - mean) ** 2 / (mean * (1 - mean)))
    holds, widths = [], []
    for world in range(200):
        segments = drawn_segments(random, 800)
        values = random.normal(size=800) + shifts[segments - 1]
        if kind == "binary":
            values = (random.random(800) < rates[segments - 1]) * 1.0
        result = check_outcomes(
            as_members(segments),
            as_outcomes(value=values),
            ["value"] if kind == "binary" else [],
            permutations=1,
            seed=world,
        ).iloc[0]
        assert result["effect_low"] <= result["effect"] <= result["effect_high"]
        holds.append(result["effect_low"] <= true_effect <= result["effect_high"])
        widths.append(result["effect_high"] - result["effect_low"])
    assert_holds(holds, 0.95)
    if distance:
        assert np.mean(holds) < 0.995, "wider than asked for"


# Outcomes: form


def test_outcomes_that_leave_nothing_to_compare_have_no_figures_and_no_finding():
    outcomes = as_outcomes(
        constant=[3.0] * 6,
        nothing=[np.nan] * 6,
        one_segment=[1, 2, 3, np.nan, np.nan, np.inf],
    )
    result = check_outcomes(as_members([1, 1, 1, 2, 2, 2]), outcomes).set_index("outcome")
    assert result.loc["one_segment", "customer_count"] == 3
    figures = ["effect", "effect_low", "effect_high", "permuted_mean", "p"]
    assert result[[*figures, "adjusted_p"]].isna().all(axis=None)
    assert not result["explains_more_than_chance"].any()


def test_members_without_a_row_and_customers_without_a_segment_are_left_out():
    outcomes = pd.DataFrame(
        {"entity_id": ["C000000", "C000001", "C000002", "stranger"], "amount": [1.0, 2, 3, 99]}
    )
    result = check_outcomes(as_members([1, 2, 2, 1]), outcomes).iloc[0]
    assert result["customer_count"] == 3


def test_outcome_checks_do_not_depend_on_order_or_on_other_outcomes():
    random = np.random.default_rng(12)
    segments = drawn_segments(random, 200)
    members = pd.concat([as_members(segments, "b"), as_members(5 - segments, "a")])
    outcomes = as_outcomes(
        amount=random.normal(size=200), visits=random.poisson(3, 200), buys=random.random(200) < 0.5
    )
    first = check_outcomes(members, outcomes, ["buys"])
    assert first[["segmentation", "outcome"]].to_numpy().tolist() == [
        [segmentation, outcome] for segmentation in "ab" for outcome in ("amount", "buys", "visits")
    ]
    again = check_outcomes(
        members.sample(frac=1, random_state=1),
        outcomes.sample(frac=1, random_state=2)[["visits", "buys", "entity_id", "amount"]],
        ["buys"],
    )
    pd.testing.assert_frame_equal(first, again)
    alone = check_outcomes(members, outcomes[["entity_id", "amount"]])
    pd.testing.assert_series_equal(
        alone["p"],
        first.loc[first["outcome"] == "amount", "p"].reset_index(drop=True),
    )
    other = check_outcomes(members, outcomes, ["buys"], seed=6)
    assert not other["permuted_mean"].equals(first["permuted_mean"])


@pytest.mark.parametrize(
    ("members", "outcomes", "binary", "message"),
    [
        (as_members([1, 2]), as_outcomes(a=[1.0, 2.0]), ["b"], "'b' is no column"),
        (as_members([1, 2]), as_outcomes(a=[1.0, 2.0]), ["a"], "'a' holds values other than 0"),
        (
            pd.concat([as_members([1, 2]), as_members([1])]),
            as_outcomes(a=[1.0, 2.0]),
            [],
            "'behaviour' holds the entity 'C000000' twice",
        ),
        (
            as_members([1, 2]),
            pd.concat([as_outcomes(a=[1.0, 2.0]), as_outcomes(a=[1.0])]),
            [],
            "outcomes hold the entity 'C000000' twice",
        ),
    ],
)
def test_malformed_outcomes_are_refused_by_name(members, outcomes, binary, message):
    with pytest.raises(ValueError, match=message):
        check_outcomes(members, outcomes, binary)


# Shares of variation


def engagement_world(random, count, deviations, *, is_confounded=False, mean_impressions=4.0):
    """Return members and engagement whose rates have the given deviations per component."""
    channels = ["email", "facebook", "instagram", "twitter"]
    codes = random.choice(4, size=count, p=SEGMENT_SHARES)
    shifts = np.array([-1, 0, 0.5, 2])
    shifts = shifts - SEGMENT_SHARES @ shifts
    shifts = deviations[0] * shifts / np.sqrt(SEGMENT_SHARES @ shifts**2)
    customers = deviations[1] * random.choice([-1, 1], size=count)
    own_channels = deviations[2] * np.array([-1, -1, 1, 1])
    residuals = deviations[3] * random.choice([-1, 1], size=(count, 4))
    rates = 0.15 + shifts[codes, None] + customers[:, None] + own_channels + residuals
    assert rates.min() >= 0
    intensity = np.full((count, 4), mean_impressions)
    if is_confounded:
        intensity[customers > 0] *= [0.3, 0.6, 1.4, 2.5]
    impressions = random.poisson(intensity) * (random.random((count, 4)) < 0.65)
    engagement = pd.DataFrame(
        {
            "entity_id": np.repeat(ids_of(count), 4),
            "channel": channels * count,
            "impression_count": impressions.ravel(),
            "click_count": random.binomial(impressions, rates).ravel(),
        }
    )
    return as_members(codes + 1), engagement


def shares_of(members, engagement, resamples=100, seed=5, level=0.95):
    result = variation_shares(
        members, engagement, resamples=resamples, random_seed=seed, confidence_level=level
    )
    return result.set_index("component")


def test_shares_of_a_balanced_table_are_those_of_the_two_way_analysis_of_variance():
    # So many impressions that chance is nothing, and every customer equally in every channel.
    random = np.random.default_rng(1)
    count = 4000
    codes = np.arange(count) % 4
    effects = [np.array([0.1, 0.12, 0.14, 0.2])[codes][:, None], random.normal(0, 0.02, (count, 1))]
    rates = effects[0] + effects[1] + [-0.01, 0, 0.03] + random.normal(0, 0.01, (count, 3))
    impressions = 10**8
    engagement = pd.DataFrame(
        {
            "entity_id": np.repeat(ids_of(count), 3),
            "channel": ["x", "y", "z"] * count,
            "impression_count": impressions,
            "click_count": np.round(rates * impressions).ravel(),
        }
    )
    result = shares_of(as_members(codes + 1), engagement, resamples=20)
    customer_means, channel_means = rates.mean(axis=1), rates.mean(axis=0)
    segment_means = pd.Series(customer_means).groupby(codes).transform("mean").to_numpy()
    residual = rates - customer_means[:, None] - channel_means + rates.mean()
    residual_variance = (residual**2).sum() / ((count - 1) * 2)
    expected = {
        "segment": segment_means.var(),
        "customer_within_segment": (customer_means - segment_means).var() - residual_variance / 3,
        "channel": channel_means.var(),
        "residual": residual_variance,
    }
    assert result["variance"].to_dict() == pytest.approx(expected, rel=0.01)
    total = sum(expected.values())
    assert result["share"].to_dict() == pytest.approx(
        {component: value / total for component, value in expected.items()}, rel=0.01
    )


def test_variances_are_right_on_average_and_intervals_hold_the_shares():
    random = np.random.default_rng(2)
    deviations = np.array([0.03, 0.04, 0.02, 0.03])
    worlds = [shares_of(*engagement_world(random, 2500, deviations)) for _ in range(40)]
    variances = np.array([world["variance"] for world in worlds])
    error = variances.std(axis=0, ddof=1) / np.sqrt(len(worlds))
    assert (np.abs(variances.mean(axis=0) - deviations**2) < 4 * error).all()
    true_shares = deviations**2 / (deviations**2).sum()
    for place, component in enumerate(COMPONENTS):
        rows = [world.loc[component] for world in worlds]
        holds = [row["share_low"] <= true_shares[place] <= row["share_high"] for row in rows]
        # 100 resamples and 40 worlds are a short look: the long one is in the docstring.
        assert_holds(holds, 0.92)
    assert np.mean([world["share_high"] - world["share_low"] for world in worlds]) < 0.4


@pytest.mark.parametrize(
    ("deviations", "truth"),
    [((0.03, 0.04, 0.05, 0.02), 0.0), ((0.03, 0.04, 0.02, 0.03), 21 / 38)],
)
def test_customers_against_channels_is_judged_at_its_level(deviations, truth):
    random = np.random.default_rng(23)
    holds, is_told_apart, widths = [], [], []
    for _ in range(40):
        world = shares_of(*engagement_world(random, 2500, np.array(deviations)))
        rows = world[[name for name in world if name.startswith("customers_less_channels")]]
        assert len(rows.drop_duplicates()) == 1
        estimate, low, high = rows.iloc[0]
        shares = world["share"]
        assert estimate == pytest.approx(
            shares["segment"] + shares["customer_within_segment"] - shares["channel"]
        )
        (p,) = world["p"].unique()
        assert world["adjusted_p"].tolist() == [p] * 4
        assert low <= estimate <= high
        assert p >= 0.05 or not low <= 0 <= high
        holds.append(low <= truth <= high)
        is_told_apart.append(p < 0.05)
        ends = world[["share_low", "share_high"]].to_numpy()
        added_up = ends[[0, 1, 2], 1].sum() - ends[[0, 1, 2], 0].sum()
        widths.append((high - low) / added_up)
    assert_holds(holds, 0.92)
    if truth:
        assert np.mean(is_told_apart) > 0.9
    else:
        assert_holds(~np.array(is_told_apart), 0.92)
    # What the ends of three intervals add up to is wider than what was found.
    assert np.mean(widths) < 0.9


def test_segments_and_channels_that_do_not_differ_vary_by_nothing_on_average():
    # The squares of estimates from 150 customers are far from 0, were chance left in.
    random = np.random.default_rng(22)
    variances = np.array(
        [
            shares_of(*engagement_world(random, 150, np.array([0, 0.05, 0, 0])), resamples=0)[
                "variance"
            ]
            for _ in range(200)
        ]
    )
    error = variances.std(axis=0, ddof=1) / np.sqrt(len(variances))
    for place in (COMPONENTS.index("segment"), COMPONENTS.index("channel")):
        assert abs(variances[:, place].mean()) < 3.3 * error[place]


@pytest.mark.parametrize("place", range(4))
def test_a_single_source_of_variation_has_the_whole_share(place):
    random = np.random.default_rng(place)
    deviations = np.where(np.arange(4) == place, 0.04, 0.0)
    result = shares_of(*engagement_world(random, 6000, deviations, mean_impressions=8.0))
    assert result["share"].sum() == pytest.approx(1)
    assert result["share"].idxmax() == COMPONENTS[place]
    assert result["share"].iloc[place] > 0.8
    assert result["share_high"].iloc[place] > 0.95
    assert (result["share_low"].drop(COMPONENTS[place]) < 0.05).all()


def test_a_channel_shown_to_willing_customers_does_not_look_better_for_it():
    random = np.random.default_rng(6)
    members, engagement = engagement_world(
        random, 6000, np.array([0, 0.05, 0, 0.02]), is_confounded=True
    )
    by_channel = engagement.groupby("channel")[["click_count", "impression_count"]].sum()
    naive = by_channel["click_count"] / by_channel["impression_count"]
    assert naive.max() - naive.min() > 0.04
    assert shares_of(members, engagement).loc["channel", "share"] < 0.01


def test_the_chance_of_single_clicks_is_no_variation():
    random = np.random.default_rng(7)
    result = shares_of(*engagement_world(random, 6000, np.zeros(4)))
    # The variance of customers' plain rates would be about 0.15 x 0.85 / 10.
    assert result["variance"].abs().max() < 0.0008
    assert (result["share_low"] == 0).all() and (result["share_high"] == 1).all()


def test_shares_of_few_resampled_customers_are_as_wide_as_of_all(monkeypatch):
    members, engagement = engagement_world(
        np.random.default_rng(3), 4000, np.array([0.03, 0.04, 0.02, 0.03])
    )
    whole = shares_of(members, engagement)
    monkeypatch.setattr("segmentation.noise.RESAMPLED_CUSTOMERS", 1000)
    part = shares_of(members, engagement)
    assert part["share"].equals(whole["share"])
    ratio = (part["share_high"] - part["share_low"]) / (whole["share_high"] - whole["share_low"])
    assert ratio.between(0.6, 1.6).all()


@pytest.mark.parametrize("kind", ["one channel", "a channel a customer", "two islands"])
def test_shares_are_missing_where_customers_and_channels_cannot_be_told_apart(kind):
    members, engagement = engagement_world(np.random.default_rng(4), 200, np.full(4, 0.02))
    place = pd.Series(np.arange(len(engagement)))
    customer, channel = place // 4, place % 4
    kept = {
        "one channel": channel == 0,
        "a channel a customer": channel == customer % 4,
        "two islands": channel // 2 == customer % 2,
    }[kind]
    result = shares_of(members, engagement[kept.to_numpy()])
    assert len(result) == 4
    assert result[["variance", "share", "share_low", "share_high"]].isna().all(axis=None)


def test_shares_add_up_rows_of_one_cell_and_ignore_order_and_empty_rows():
    members, engagement = engagement_world(np.random.default_rng(5), 300, np.full(4, 0.02))
    once = shares_of(members, engagement)
    halved = engagement.assign(
        impression_count=engagement["impression_count"] - engagement["impression_count"] // 2,
        click_count=0,
    )
    rest = engagement.assign(impression_count=engagement["impression_count"] // 2)
    clicks_first = np.minimum(engagement["click_count"], halved["impression_count"])
    halved["click_count"], rest["click_count"] = (
        clicks_first,
        engagement["click_count"] - clicks_first,
    )
    unknown = engagement.head(3).assign(click_count=None, impression_count=5)
    rows = pd.concat([halved, rest[rest["click_count"] <= rest["impression_count"]], unknown])
    again = shares_of(
        members.sample(frac=1, random_state=1),
        rows.astype({"click_count": "Int64"}).sample(frac=1, random_state=2),
    )
    pd.testing.assert_frame_equal(once, again)


def test_impossible_clicks_are_refused():
    members, engagement = engagement_world(np.random.default_rng(5), 20, np.full(4, 0.02))
    for clicks in (-1, 10_000):
        with pytest.raises(ValueError, match="more clicks than impressions"):
            shares_of(members, engagement.assign(click_count=clicks))


# Segmentations


def specification(k=4, name="behaviour", feature_count=8, grain="customer"):
    return {
        "name": name,
        "grain": grain,
        "k": k,
        "features": [
            {"name": f"feature_{place}", "transform": "none", "missing": "median"}
            for place in range(feature_count)
        ],
    }


def as_inputs(values, name="behaviour"):
    columns = [f"value_{place + 1:02d}" for place in range(values.shape[1])]
    frame = pd.DataFrame(values, columns=columns)
    frame.insert(0, "entity_id", ids_of(len(values)))
    frame.insert(0, "segmentation", name)
    return frame


def fitted(specifications, inputs, seed=7):
    return fit_missing(
        specifications,
        inputs,
        pd.DataFrame(),
        pd.DataFrame(),
        pd.DataFrame(),
        refit=[],
        as_of_on="2024-06-30",
        random_seed=seed,
        minimum_overlap=0.5,
    )


def check_fits(specifications, inputs, fits, earlier=None, seed=5, **other):
    arguments = {"minimum_agreement": 0.6, "sample_size": 1000, "halves": 5} | other
    return segmentation_noise_check(
        specifications,
        inputs,
        fits,
        earlier_checks=pd.DataFrame() if earlier is None else earlier,
        random_seed=seed,
        **arguments,
    )


def check_values(values, k=4, **other):
    inputs = as_inputs(values)
    specifications = [specification(k, feature_count=values.shape[1])]
    return check_fits(specifications, inputs, fitted(specifications, inputs), **other)


def grouped_values(random, count=500, distance=2.0, feature_count=8):
    centres = random.normal(size=(4, feature_count)) * distance
    return centres[random.choice(4, size=count, p=SEGMENT_SHARES)] + random.normal(
        size=(count, feature_count)
    )


def customer_values(random, count=800):
    """Return features as a bank has them: skewed, counted, partly missing, of four kinds."""
    kind = random.choice(4, size=count, p=SEGMENT_SHARES)
    income = np.log1p(random.lognormal(np.array([7.2, 7.8, 8.3, 8.9])[kind], 0.4))
    balance = np.arcsinh(random.normal(np.array([2e3, 1e4, 3e4, 9e4])[kind], 4e3))
    loyalty = np.clip(random.normal(np.array([30, 70, 45, 80])[kind], 12), 0, 100)
    counts = np.log1p(random.poisson(np.array([5, 40, 12, 25])[kind]))
    products = random.binomial(6, np.array([0.2, 0.5, 0.3, 0.6])[kind])
    values = np.column_stack([income, balance, loyalty, counts, products])
    values[random.random(values.shape) < 0.01] = np.nan
    return values


def test_independent_columns_have_no_structure():
    random = np.random.default_rng(41)
    worlds = pd.concat(check_values(random.normal(size=(500, 8)), seed=s) for s in range(10))
    assert worlds["no_structure_found"].sum() >= 9
    assert worlds["silhouette_beaten_share"].between(0, 1).all()
    assert worlds["agreement"].mean() < 0.6


def test_stable_divisions_of_unrelated_columns_do_not_beat_their_null_sets():
    # Yes/no columns are divided alike in every half; the null sets are divided as well.
    random = np.random.default_rng(42)
    worlds = pd.concat(
        check_values(
            np.column_stack(
                [random.random((200, 3)) < [0.15, 0.4, 0.5], random.lognormal(size=(200, 2))]
            ).astype(float),
            seed=seed,
            minimum_agreement=-1.0,
            halves=1,
        )
        for seed in range(20)
    )
    found = (~worlds["no_structure_found"]).sum()
    assert binom.sf(found - 1, len(worlds), 1 / 21) > 0.001


def test_planted_groups_are_found():
    random = np.random.default_rng(43)
    worlds = pd.concat(check_values(grouped_values(random), seed=seed) for seed in range(5))
    assert not worlds["no_structure_found"].any()
    assert (worlds["silhouette_beaten_share"] == 1).all()
    assert (worlds["within_squares_beaten_share"] == 1).all()
    assert worlds["agreement"].min() > 0.9


def test_customers_of_four_kinds_are_found_in_skewed_and_missing_values():
    result = check_values(customer_values(np.random.default_rng(44))).iloc[0]
    assert not result["no_structure_found"]
    assert result["reason"] == (
        "The groups are clearer than in 20 of 20 shuffled data sets, and random halves of the "
        f"customers give the same groups (agreement {result['agreement']:.2f} on a scale where 1 "
        "is complete; at least 0.6 is asked for)."
    )


def test_silhouette_and_squares_are_those_of_the_fit():
    random = np.random.default_rng(45)
    values = grouped_values(random, count=300)
    inputs, specifications = as_inputs(values), [specification()]
    fits = fitted(specifications, inputs)
    result = check_fits(specifications, inputs, fits, null_sets=1, halves=1).iloc[0]
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    centres = fits.pivot(index="segment_id", columns="feature_position", values="centre")
    labels = ((scaled[:, None] - centres.to_numpy()) ** 2).sum(axis=2).argmin(axis=1)
    assert result["silhouette"] == pytest.approx(silhouette_score(scaled, labels))
    assert result["within_squares"] == pytest.approx(fits["inertia"].iloc[0] / 300)
    assert result["sampled_count"] == 300


def test_null_sets_keep_every_column_and_lose_what_ties_them(monkeypatch):
    seen = []

    def tightness(values, centres):
        seen.append(values)
        return 0.5, 1.0

    monkeypatch.setattr("segmentation.noise._tightness", tightness)
    column = np.random.default_rng(46).normal(size=400)
    check_values(np.column_stack([column, column]), k=2, null_sets=3, halves=1)
    observed, *nulls = seen
    assert len(nulls) == 3
    for null in nulls:
        assert np.array_equal(np.sort(null, axis=0), np.sort(observed, axis=0))
        assert abs(np.corrcoef(null.T)[0, 1]) < 0.25
    assert np.corrcoef(observed.T)[0, 1] == pytest.approx(1)


def test_halves_share_no_entity_and_leave_none_out(monkeypatch):
    fitted_rows = []

    def centres(values, k, random):
        fitted_rows.append(values)
        return values[:k]

    monkeypatch.setattr("segmentation.noise._fitted_centres", centres)
    check_values(grouped_values(np.random.default_rng(51), count=101), null_sets=1, halves=2)
    whole, *halves = fitted_rows
    assert [len(half) for half in halves] == [50, 51, 50, 51]
    for first, second in (halves[:2], halves[2:]):
        together = np.concatenate([first, second])
        assert len(np.unique(together, axis=0)) == 101
        assert np.array_equal(np.sort(together, axis=0), np.sort(whole, axis=0))
    assert not np.array_equal(halves[0], halves[2])


def test_a_tie_or_19_of_20_null_sets_is_not_enough(monkeypatch):
    silhouettes = iter([0.5, *[0.4] * 19, 0.5])
    monkeypatch.setattr(
        "segmentation.noise._tightness", lambda values, centres: (next(silhouettes), 1.0)
    )
    result = check_values(grouped_values(np.random.default_rng(1), count=200)).iloc[0]
    assert result["silhouette_beaten_share"] == 0.95
    assert result["no_structure_found"]
    assert "in 1 of 20 tries, but random halves of the customers give" in result["reason"]


def test_groups_that_halves_disagree_on_are_no_structure():
    values = grouped_values(np.random.default_rng(47))
    at_ease, asked = (check_values(values, minimum_agreement=a).iloc[0] for a in (0.5, 1.1))
    assert not at_ease["no_structure_found"]
    assert asked["no_structure_found"]
    assert "do not give the same groups" in asked["reason"]
    assert asked["minimum_agreement"] == 1.1


def test_a_reason_never_rounds_an_agreement_over_the_minimum(monkeypatch):
    for agreement, shown in ((0.5999, "0.59"), (0.6, "0.60"), (0.604, "0.60")):
        monkeypatch.setattr("segmentation.noise._agreement", lambda *_, value=agreement: value)
        result = check_values(grouped_values(np.random.default_rng(1), count=100)).iloc[0]
        assert f"agreement {shown}" in result["reason"]
        assert result["no_structure_found"] == (agreement < 0.6)


@pytest.mark.parametrize(
    ("values", "k", "grain", "reason"),
    [
        (np.zeros((50, 2)), 4, "customer", "All customers have the same features."),
        (
            np.repeat([[0.0, 1], [1, 0]], 20, axis=0),
            4,
            "card_account",
            "There are too few different card accounts for 4 segments.",
        ),
        (np.arange(80.0).reshape(40, 2), 1, "customer", "A single segment divides nothing."),
        (
            np.arange(10.0).reshape(5, 2) ** 2,
            4,
            "customer",
            "There are too few customers to tell 4 segments from chance.",
        ),
    ],
)
def test_fits_without_groups_have_no_structure_and_a_reason(values, k, grain, reason):
    specifications = [specification(k, feature_count=2, grain=grain)]
    inputs = as_inputs(values)
    result = check_fits(specifications, inputs, fitted(specifications, inputs)).iloc[0]
    assert result["no_structure_found"]
    assert result["reason"] == reason
    assert math.isnan(result["silhouette"]) and math.isnan(result["agreement"])
    assert result["null_set_count"] == 0


def test_a_sample_with_fewer_distinct_rows_than_segments_is_checked_all_the_same():
    values = np.repeat(np.random.default_rng(48).normal(size=(2, 2)), 300, axis=0)
    values[:3] = [[9, 9], [-9, 9], [9, -9]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = check_values(values, k=5, sample_size=20)
    assert result["sampled_count"].tolist() == [20]


def test_only_current_fits_without_a_check_are_checked():
    random = np.random.default_rng(49)
    values = grouped_values(random, count=200)
    specifications = [specification(name="a"), specification(name="b")]
    inputs = pd.concat([as_inputs(values, "a"), as_inputs(values[::-1], "b")])
    fits = fitted(specifications, inputs)
    first = check_fits(specifications[:1], inputs, fits)
    assert first["segmentation"].tolist() == ["a"]
    second = check_fits(specifications, inputs, fits, earlier=first)
    assert second["segmentation"].tolist() == ["b"]
    both = check_fits(specifications, inputs, fits)
    pd.testing.assert_frame_equal(both, pd.concat([first, second], ignore_index=True))
    nothing = check_fits(specifications, inputs, fits, earlier=both)
    assert nothing.dtypes.equals(both.dtypes) and nothing.empty
    refitted = fit_missing(
        specifications,
        inputs,
        pd.DataFrame(),
        fits,
        pd.DataFrame(),
        refit=["a"],
        as_of_on="2024-07-31",
        random_seed=8,
        minimum_overlap=0.5,
    )
    in_use = pd.concat([fits[fits["segmentation"] == "b"], refitted])
    newer = check_fits(specifications, inputs, in_use, earlier=both)
    assert newer["fit_id"].tolist() == refitted["fit_id"].unique().tolist()


def test_segmentation_checks_repeat_exactly_whatever_the_order_of_rows():
    random = np.random.default_rng(50)
    inputs, specifications = as_inputs(random.normal(size=(300, 4))), [specification(3)]
    specifications = [specification(3, feature_count=4)]
    fits = fitted(specifications, inputs)
    first = check_fits(specifications, inputs, fits, sample_size=200)
    again = check_fits(specifications, inputs.sample(frac=1, random_state=1), fits, sample_size=200)
    pd.testing.assert_frame_equal(first, again)
    assert first["sampled_count"].tolist() == [200]
    other = check_fits(specifications, inputs, fits, sample_size=200, seed=6)
    assert not other["silhouette"].equals(first["silhouette"])


@pytest.mark.parametrize("name", ["sample_size", "null_sets", "halves"])
def test_checks_of_nothing_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 0"):
        check_values(np.eye(5), **{name: 0})


# Without rows

EMPTY = pd.DataFrame()
NO_MEMBERS = pd.DataFrame({"segmentation": [], "entity_id": [], "segment_id": []})
NO_ENGAGEMENT = pd.DataFrame(
    {"entity_id": [], "channel": [], "impression_count": [], "click_count": []}
)


def test_results_have_the_same_types_with_and_without_rows():
    members, engagement = engagement_world(np.random.default_rng(5), 100, np.full(4, 0.02))
    outcomes = as_outcomes(amount=np.arange(100.0))
    values = grouped_values(np.random.default_rng(5), count=100)
    no_fits = conform(EMPTY, FITS)
    for dtypes, full, *empties in (
        (
            OUTCOME_NOISE_CHECKS,
            check_outcomes(members, outcomes),
            check_outcomes(NO_MEMBERS, outcomes),
            check_outcomes(members, outcomes.head(0)),
            check_outcomes(members, outcomes[["entity_id"]]),
        ),
        (
            VARIATION_SHARES,
            shares_of(members, engagement).reset_index(),
            shares_of(NO_MEMBERS, engagement).reset_index(),
            shares_of(members, NO_ENGAGEMENT).reset_index(),
            shares_of(members, engagement.assign(entity_id="stranger")).reset_index(),
        ),
        (
            SEGMENTATION_NOISE_CHECKS,
            check_values(values),
            check_fits([specification()], as_inputs(values), no_fits),
            check_fits([specification()], as_inputs(values).head(0), no_fits),
            check_fits(
                [specification()],
                as_inputs(values).head(0),
                fitted([specification()], as_inputs(values)),
            ),
            check_fits([], as_inputs(values), no_fits),
        ),
    ):
        assert len(full)
        full = full[list(dtypes)]
        for empty in empties:
            assert empty.empty
            assert empty[list(dtypes)].dtypes.equals(full.dtypes)
            assert duckdb_types(empty[list(dtypes)]) == duckdb_types(full)
