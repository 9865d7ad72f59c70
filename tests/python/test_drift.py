"""Drift: against other implementations, without drift, with drift planted, and what is advised."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, chi2, ks_2samp
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from segmentation import fit as fit_library
from segmentation.drift import (
    SEGMENT_SHARES,
    drift_periods,
    fit_distributions,
    refit_advice,
    refit_trials,
    untried,
)
from segmentation.fit import fit_missing
from segmentation.frames import (
    DRIFT_PERIODS,
    FIT_DISTRIBUTIONS,
    REFIT_ADVICE,
    REFIT_TRIALS,
    conform,
)

FEATURES = (
    "monthly_income",
    "account_balance",
    "loyalty_score",
    "transaction_count",
    "deposit_amount",
    "withdrawal_amount",
    "digital_session_count",
    "product_count",
)
NO_PERSONAS = pd.DataFrame()
JANUARY, FEBRUARY = "2026-01-31", "2026-02-28"


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Threads cost small fits more than they give when the cores are busy."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def quick_fits(monkeypatch):
    """Hundreds of fits, none of which needs to be the best one."""
    monkeypatch.setattr(fit_library, "START_COUNT", 1)


def specification(features=FEATURES, k=4):
    return {
        "name": "behaviour",
        "grain": "customer",
        "k": k,
        "features": [{"name": name, "transform": "none", "missing": "median"} for name in features],
    }


def customers(random, count):
    """Draw features as the demo has them, transformed: skewed, with gaps, counts, many zeros."""
    income = np.log1p(random.lognormal(7.8, 0.6, count))
    income[random.random(count) < 0.02] = np.nan
    pays_in, takes_out = random.random(count) < 0.65, random.random(count) < 0.9
    return np.stack(
        [
            income,
            np.arcsinh(random.normal(3000, 6000, count)),
            np.round(100 * random.beta(2, 3, count), 1),
            np.log1p(random.negative_binomial(1.2, 0.08, count)),
            np.log1p(pays_in * np.round(random.lognormal(7.5, 1.2, count), 2)),
            np.log1p(takes_out * np.round(random.lognormal(7.0, 1.0, count), 2)),
            np.log1p(random.poisson(random.gamma(1, 6, count))),
            random.binomial(7, 0.28, count).astype(float),
        ],
        axis=1,
    )


def as_inputs(values):
    values = np.asarray(values, dtype="float64")
    names = [f"value_{position:02d}" for position in range(1, values.shape[1] + 1)]
    ids = [f"C{place:06d}" for place in range(len(values))]
    keys = pd.DataFrame({"segmentation": "behaviour", "entity_id": ids})
    return pd.concat([keys, pd.DataFrame(values, columns=names)], axis=1)


def fitted(values, spec=None):
    spec = spec or specification(FEATURES[: np.shape(values)[1]])
    inputs = as_inputs(values)
    fits = fit_missing(
        [spec],
        inputs,
        NO_PERSONAS,
        pd.DataFrame(),
        pd.DataFrame(),
        refit=[],
        as_of_on=JANUARY,
        random_seed=1,
        minimum_overlap=0.5,
    )
    return fits, fit_distributions(fits, inputs, pd.DataFrame())


def compared(fits, distributions, values, level=0.95, smallest=0.02, as_of_on=FEBRUARY):
    return drift_periods(
        fits,
        distributions,
        as_inputs(values),
        as_of_on=as_of_on,
        confidence_level=level,
        smallest_psi=smallest,
    )


def period(then, now, **options):
    return compared(*fitted(then), now, **options).set_index("drift_in")


def planted_shift(then, now, position, deviations):
    moved = now.copy()
    moved[:, position] += deviations * np.nanstd(then[:, position])
    return moved


def column(*values):
    return np.array(values, dtype="float64")[:, np.newaxis]


# What is kept of a fit


def test_every_entity_is_in_one_bin_of_each_feature():
    values = customers(np.random.default_rng(1), 3000)
    _, distributions = fitted(values)
    assert len(distributions.groupby("feature")) == len(FEATURES)
    for name, bins in distributions.groupby("feature"):
        own = values[:, FEATURES.index(name)]
        present = own[~np.isnan(own)]
        missing, *ranges = bins.sort_values("bin").to_dict("records")
        assert (missing["bin"], missing["training_count"]) == (0, len(own) - len(present))
        for one in ranges:
            is_inside = ~(present < one["bin_low"]) & ~(present >= one["bin_high"])
            assert one["training_count"] == is_inside.sum()
        for one, following in itertools.pairwise(ranges):
            assert one["bin_high"] == following["bin_low"]
        assert ranges[0]["training_count"] == ranges[-1]["training_count"] == 0
        assert bins["training_minimum"].unique() == [present.min()]
        assert bins["training_maximum"].unique() == [present.max()]


def test_a_feature_without_equal_values_has_a_hundred_bins_of_equal_size():
    _, distributions = fitted(np.random.default_rng(2).normal(size=(5000, 1)))
    counts = distributions.sort_values("bin")["training_count"].tolist()
    assert counts == [0, 0, *[50] * 100, 0]


def test_a_value_that_many_share_has_a_bin_of_its_own():
    values = customers(np.random.default_rng(3), 4000)
    _, distributions = fitted(values)
    deposits = distributions[distributions["feature"] == "deposit_amount"]
    zero = deposits[(deposits["bin_low"] < 0) & (deposits["bin_high"] > 0)].iloc[0]
    assert zero["training_count"] == (values[:, 4] == 0).sum()
    assert zero["bin_high"] - zero["bin_low"] < 1e-6
    products = distributions[distributions["feature"] == "product_count"]
    counts = np.bincount(values[:, 7].astype(int))
    assert set(counts[counts >= 40]) <= set(products["training_count"])


def test_another_engines_last_digit_is_no_drift():
    random = np.random.default_rng(4)
    then = customers(random, 2000)
    now = np.nextafter(then, np.where(random.random(then.shape) < 0.5, -np.inf, np.inf))
    result = period(then, now)
    assert result["psi"].max() < 1e-4
    assert result["beyond_training_share"].max() == 0


def test_distributions_are_kept_once_and_only_of_the_data_of_the_fit():
    random = np.random.default_rng(5)
    then = customers(random, 500)
    fits, distributions = fitted(then)
    assert fit_distributions(fits, as_inputs(then), distributions).empty
    later = then.copy()
    later[7, 2] += 1e-9
    assert fit_distributions(fits, as_inputs(later), pd.DataFrame()).empty


# One comparison


def test_psi_is_that_of_ten_bins_with_equally_many_of_both_samples():
    random = np.random.default_rng(6)
    then, now = random.normal(size=(40_000, 1)), random.normal(0.3, 1, size=(30_000, 1))
    row = period(then, now).loc[FEATURES[0]]
    # The bins are made of a hundred; cutting both samples exactly at tenths is close to them.
    edges = np.quantile(np.concatenate([then, now]), np.arange(1, 10) / 10)
    shares = [
        np.bincount(np.searchsorted(edges, sample[:, 0]), minlength=10) / len(sample)
        for sample in (then, now)
    ]
    psi = ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()
    assert row["bin_count"] == 10
    assert row["psi"] == pytest.approx(psi, rel=0.05)
    spread = 1 / 40_000 + 1 / 30_000
    # Two rows are compared, so that chance is asked for 0.025 each.
    assert row["psi_by_chance"] == pytest.approx(spread * chi2.isf(0.025, 9), rel=1e-9)


def test_psi_of_values_that_many_share_is_exact_and_p_that_of_chi_squared():
    then = np.repeat([0.0, 1, 2, 5], [500, 300, 150, 50])[:, np.newaxis]
    now = np.repeat([0.0, 1, 2, 5], [400, 350, 150, 100])[:, np.newaxis]
    row = period(then, now).loc[FEATURES[0]]
    shares = np.array([[0.5, 0.3, 0.15, 0.05], [0.4, 0.35, 0.15, 0.1]])
    assert row["bin_count"] == 4
    assert row["psi"] == pytest.approx(
        ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()
    )
    assert row["p"] == pytest.approx(chi2.sf(row["psi"] / (2 / 1000), 3), rel=1e-9)
    assert row["ks_distance"] == pytest.approx(0.1)


@pytest.mark.parametrize("position", range(len(FEATURES)))
def test_the_distance_of_kolmogorov_and_smirnov_is_close_to_that_of_all_values(position):
    random = np.random.default_rng(7)
    then, now = customers(random, 3000), customers(random, 2000)
    now = planted_shift(then, now, position, 0.2)
    row = period(then, now).loc[FEATURES[position]]
    exact = ks_2samp(*(v[~np.isnan(v[:, position]), position] for v in (then, now)))
    assert exact.statistic - 0.02 <= row["ks_distance"] <= exact.statistic + 1e-12
    assert row["ks_p"] >= exact.pvalue * 0.9


def test_missing_values_count_as_a_bin_where_there_are_enough():
    random = np.random.default_rng(8)
    then, now = customers(random, 2000), customers(random, 2000)
    then[:, 1] = np.where(np.arange(2000) < 2, np.nan, then[:, 1])
    now[:, 2] = np.where(random.random(2000) < 0.1, np.nan, now[:, 2])
    result = period(then, now)
    balance, loyalty = result.loc["account_balance"], result.loc["loyalty_score"]
    assert (balance["bin_count"], balance["is_alarm"]) == (10, False)
    assert balance["training_missing_share"] == 0.001
    assert (loyalty["bin_count"], loyalty["is_alarm"]) == (11, True)
    assert loyalty["missing_share"] == np.isnan(now[:, 2]).mean()


def test_values_beyond_the_training_range_are_counted_on_both_sides():
    random = np.random.default_rng(9)
    then = random.uniform(0, 1, size=(1000, 1))
    now = np.concatenate([then[:900], column(*[-1] * 30, *[2] * 70)])
    row = period(then, now).loc[FEATURES[0]]
    assert row["beyond_training_share"] == 0.1
    assert row["is_alarm"]


def test_a_column_that_was_constant_and_varies_now_has_drifted():
    random = np.random.default_rng(10)
    varied = random.normal(size=1000)
    then = np.stack([varied, np.full(1000, 3.0)], axis=1)
    same = period(then, then[::-1]).loc[FEATURES[1]]
    assert (same["psi"], same["p"], same["is_alarm"]) == (0, 1, False)
    now = np.stack([varied, np.where(varied > 0.5, 4.0, 3.0)], axis=1)
    assert period(then, now).loc[FEATURES[1]]["is_alarm"]


def test_segment_shares_are_those_of_the_nearest_centres():
    random = np.random.default_rng(11)
    places = np.array([[0.0, 0], [10, 0], [0, 10], [10, 10]])

    def drawn(*counts):
        return np.repeat(places, counts, axis=0) + random.normal(size=(sum(counts), 2))

    then, now = drawn(400, 300, 200, 100), drawn(300, 300, 200, 200)
    row = period(then, now).loc[SEGMENT_SHARES]
    shares = np.array([[0.4, 0.3, 0.2, 0.1], [0.3, 0.3, 0.2, 0.2]])
    psi = ((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum()
    assert (row["psi"], row["bin_count"]) == (pytest.approx(psi), 4)
    assert row["is_alarm"]


def test_what_cannot_be_compared_says_why():
    random = np.random.default_rng(12)
    then = customers(random, 400)
    fits, distributions = fitted(then)
    gone = compared(fits, distributions.iloc[:0], customers(random, 400)).set_index("drift_in")
    features = gone.drop(SEGMENT_SHARES)
    assert set(features["null_reasons"]) == {"training_data_gone"}
    assert features[["psi", "p", "is_alarm", "psi_by_chance"]].isna().all(axis=None)
    assert gone.loc[SEGMENT_SHARES, "p"] > 0
    few = compared(fits, distributions, customers(random, 9))
    assert set(few["null_reasons"]) == {"too_few"}
    assert few["is_alarm"].isna().all()


def test_the_order_of_rows_and_the_day_change_nothing_but_the_day():
    random = np.random.default_rng(13)
    fits, distributions = fitted(customers(random, 500))
    now = customers(random, 500)
    first = compared(fits, distributions, now)
    mixed = compared(fits.iloc[::-1], distributions.sample(frac=1, random_state=1), now[::-1])
    pd.testing.assert_frame_equal(first.drop(columns="data_hash"), mixed.drop(columns="data_hash"))
    later = compared(fits, distributions, now, as_of_on="2026-03-31")
    pd.testing.assert_frame_equal(first.drop(columns="as_of_on"), later.drop(columns="as_of_on"))


def test_frames_without_rows_have_their_columns_and_types():
    fits = conform(pd.DataFrame(), fit_library.FITS)
    nothing = as_inputs(np.empty((0, 2)))
    distributions = fit_distributions(fits, nothing, pd.DataFrame())
    periods = compared(fits, distributions, np.empty((0, 2)))
    to_try = untried(periods, fits, pd.DataFrame(), as_of_on=FEBRUARY)
    trials = refit_trials([], fits, to_try, nothing, random_seed=1, sample_size=10)
    advice = advised(periods, fits, trials)
    for frame, dtypes in (
        (distributions, FIT_DISTRIBUTIONS),
        (periods, DRIFT_PERIODS),
        (trials, REFIT_TRIALS),
        (advice, REFIT_ADVICE),
    ):
        pd.testing.assert_frame_equal(frame, conform(pd.DataFrame(), dtypes))


# Without drift, and with drift planted


def share_within(found, count, limit):
    """Tell whether a share of at most `limit` would show as many; wrong once in 1,000."""
    return found <= binom.ppf(0.999, count, limit)


@pytest.mark.usefixtures("quick_fits")
def test_without_drift_at_most_one_period_in_twenty_alarms():
    random = np.random.default_rng(20)
    rows = pd.concat(
        period(customers(random, 4000), customers(random, 4000)).assign(number=number)
        for number in range(200)
    )
    periods = rows.groupby("number")
    assert periods["is_alarm"].any().mean() <= 0.05 + 0.02
    # Significance alone, without the smallest PSI that anybody acts on, holds the level too.
    assert share_within((periods["adjusted_p"].min() <= 0.05).sum(), 200, 0.05)
    for _, own in rows.groupby(level="drift_in"):
        assert share_within((own["p"] <= 0.05).sum(), 200, 0.05)
        assert binom.ppf(0.001, 200, 0.5) <= (own["p"] <= 0.5).sum()


@pytest.mark.usefixtures("quick_fits")
@pytest.mark.parametrize(("then_count", "now_count"), [(300, 300), (1000, 100), (100, 1000)])
def test_small_samples_alarm_no_more_often(then_count, now_count):
    random = np.random.default_rng([21, then_count])
    periods = [
        period(customers(random, then_count), customers(random, now_count), smallest=0.0)
        for _ in range(60)
    ]
    assert share_within(sum(bool(one["is_alarm"].any()) for one in periods), 60, 0.06)
    # A fixed limit does not know how few they are.
    assert sum((one["psi"] >= 0.1).any() for one in periods) >= 0.3 * 60


@pytest.mark.usefixtures("quick_fits")
@pytest.mark.parametrize("deviations", [0.3, -0.3])
@pytest.mark.parametrize("position", range(len(FEATURES)))
def test_a_shift_of_three_tenths_of_a_standard_deviation_is_found(position, deviations):
    random = np.random.default_rng([22, position])
    found = []
    for _ in range(5):
        then, now = customers(random, 4000), customers(random, 4000)
        fits, distributions = fitted(then)
        moved = planted_shift(then, now, position, deviations)
        result = compared(fits, distributions, moved).set_index("drift_in")
        found.append(bool(result.loc[FEATURES[position], "is_alarm"]))
    assert all(found)


@pytest.mark.usefixtures("quick_fits")
def test_customers_with_one_product_more_are_found():
    """Planted as it happens: counts stay counts, and their mean moves by 0.3 deviations."""
    random = np.random.default_rng(24)
    for _ in range(5):
        then, now = customers(random, 4000), customers(random, 4000)
        products = then[:, 7]
        now[:, 7] += random.random(4000) < 0.3 * products.std()
        assert period(then, now).loc["product_count", "is_alarm"]


def test_with_many_customers_what_nobody_would_act_on_does_not_alarm():
    random = np.random.default_rng(23)
    then = random.normal(size=(200_000, 1))
    fits, distributions = fitted(then, specification(FEATURES[:1], k=1))
    small = compared(fits, distributions, random.normal(0.05, 1, size=(200_000, 1))).iloc[0]
    assert small["adjusted_p"] < 1e-6
    assert not small["is_alarm"]
    assert compared(fits, distributions, random.normal(0.05, 1, (200_000, 1)), smallest=0.0).iloc[
        0
    ]["is_alarm"]


# Refits


def four_places(random, counts, moved=0.0):
    places = np.array([[0.0, 0], [10, 0], [0, 10], [10 + moved, 10]])
    return np.repeat(places, counts, axis=0) + random.normal(size=(sum(counts), 2))


def tried(fits, now, sample_size=20_000, earlier=None, spec=None):
    spec = spec or specification(FEATURES[:2])
    periods = compared(fits, fits.iloc[:0].assign(bin=0), now)
    to_try = untried(
        periods, fits, pd.DataFrame() if earlier is None else earlier, as_of_on=FEBRUARY
    )
    return refit_trials(
        [spec], fits, to_try, as_inputs(now), random_seed=1, sample_size=sample_size
    )


def advised(periods, fits, trials, smallest_moving_share=0.1, as_of_on=FEBRUARY):
    return refit_advice(
        periods,
        fits,
        trials,
        as_of_on=as_of_on,
        confidence_level=0.95,
        smallest_moving_share=smallest_moving_share,
    )


def nearest_by(fits, values):
    """Assign by a fit, in plain loops over its rows."""
    distances = []
    for _, segment in fits.sort_values("segment_id").groupby("segment_id"):
        squares = np.zeros(len(values))
        for row in segment.to_dict("records"):
            own = values[:, row["feature_position"] - 1]
            own = np.where(np.isnan(own), row["fill_value"], own)
            squares += ((own - row["shift"]) / row["scale"] - row["centre"]) ** 2
        distances.append(squares)
    return np.argmin(distances, axis=0)


def test_a_trial_finds_what_a_refit_then_changes():
    random = np.random.default_rng(30)
    then, now = customers(random, 800), customers(random, 700)
    now[:, 0] += 1
    fits, _ = fitted(then)
    trial = tried(fits, now, spec=specification()).iloc[0]
    refits, _ = fitted(now)
    old, new = nearest_by(fits, now), nearest_by(refits, now)
    kept = max((np.array(places)[new] == old).sum() for places in itertools.permutations(range(4)))
    assert trial["moving_count"] == 700 - kept
    assert trial["refit_agreement"] == pytest.approx(adjusted_rand_score(old, new))
    assert (trial["sampled_count"], trial["is_training_data"]) == (700, False)


def test_on_the_data_of_the_fit_nothing_is_fitted(monkeypatch):
    then = four_places(np.random.default_rng(31), [100] * 4)
    fits, _ = fitted(then)
    monkeypatch.setattr("segmentation.drift.form_clusters", None)
    trial = tried(fits, then).iloc[0]
    assert trial["is_training_data"]
    assert (trial["moving_count"], trial["refit_agreement"]) == (0, 1)


def test_the_same_data_are_not_tried_twice():
    random = np.random.default_rng(32)
    fits, _ = fitted(four_places(random, [100] * 4))
    now = four_places(random, [100] * 4)
    first = tried(fits, now)
    assert len(first) == 1
    assert tried(fits, now, earlier=first).empty
    assert len(tried(fits, four_places(random, [100] * 4), earlier=first)) == 1


def test_large_data_are_sampled_with_a_fixed_seed():
    random = np.random.default_rng(33)
    fits, _ = fitted(four_places(random, [100] * 4))
    now = four_places(random, [100] * 4)
    trial = tried(fits, now, sample_size=150)
    assert trial["sampled_count"].tolist() == [150]
    assert trial["entity_count"].tolist() == [400]
    pd.testing.assert_frame_equal(trial, tried(fits, now, sample_size=150))
    with pytest.raises(ValueError, match="sample_size is 0"):
        tried(fits, now, sample_size=0)


def advice_on(then, now, **options):
    fits, distributions = fitted(then)
    periods = compared(fits, distributions, now)
    return advised(periods, fits, tried(fits, now), **options).iloc[0]


def test_advice_is_to_keep_what_did_not_drift():
    random = np.random.default_rng(40)
    counts = [300, 300, 200, 200]
    advice = advice_on(four_places(random, counts), four_places(random, counts))
    assert (advice["advice"], advice["alarm_count"], advice["compared_count"]) == ("keep", 0, 3)
    assert advice["reason"].startswith("None of 3 comparisons with the data of the fit alarms; ")


def test_advice_is_to_watch_where_drift_would_move_few():
    random = np.random.default_rng(41)
    then = four_places(random, [250] * 4)
    advice = advice_on(then, then * 1.02 + 0.5)
    assert (advice["advice"], advice["moving_count"]) == ("watch", 0)
    assert (
        "A refit would move 0 of 1,000 members (0.0%; at least 10% are asked for)."
        in advice["reason"]
    )


def test_advice_is_to_refit_where_drift_would_move_many():
    random = np.random.default_rng(42)
    then = four_places(random, [250] * 4)
    now = four_places(random, [100, 300, 0, 600], moved=15.0)
    advice = advice_on(then, now)
    assert advice["advice"] == "refit"
    assert advice["moving_share"] >= 0.1
    assert advice["moving_share_low"] < advice["moving_share"] < advice["moving_share_high"]
    assert "moved most" in advice["reason"]
    assert advice_on(then, now, smallest_moving_share=0.99)["advice"] == "watch"


def test_advice_is_to_watch_what_cannot_be_compared():
    random = np.random.default_rng(43)
    then, now = (four_places(random, [100] * 4) for _ in range(2))
    fits, distributions = fitted(then)
    advice = advised(compared(fits, distributions.iloc[:0], now), fits, tried(fits, now)).iloc[0]
    assert (advice["advice"], advice["compared_count"]) == ("watch", 1)
    assert "2 more could not be made." in advice["reason"]


def test_advice_is_about_its_own_period_and_needs_its_trial():
    random = np.random.default_rng(44)
    then, now = (four_places(random, [100] * 4) for _ in range(2))
    fits, distributions = fitted(then)
    periods = pd.concat(
        [
            compared(fits, distributions, then, as_of_on=JANUARY),
            compared(fits, distributions, now),
        ]
    )
    trials = tried(fits, now)
    assert len(advised(periods, fits, trials)) == 1
    assert advised(periods, fits.iloc[:0], trials).empty
    with pytest.raises(ValueError, match="No refit of segmentation 'behaviour' was tried"):
        advised(periods, fits, trials, as_of_on=JANUARY)
