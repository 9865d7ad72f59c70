"""What goes with engagement: planted truths, other implementations, and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from rendering import project_vars
from scipy import stats
from scipy.special import expit
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

from segmentation import factors
from segmentation.factors import (
    engagement_factors,
    prepare,
    rank_correlation,
    read_features,
)
from segmentation.frames import ENGAGEMENT_FACTORS

VARS = project_vars()
MATTER, NOISE = ["income", "visits"], ["shoe_size", "mood", "luck"]
OPTIONS: dict[str, Any] = {
    "protected_raw_columns": VARS["protected_raw_columns"],
    "small_cell_customers": 200,
    "small_cell_events": 20,
    "known_share": 0.5,
    "least_sign_stability": 0.9,
    "random_seed": 1,
    "confidence_level": 0.95,
}


def declared(*names: str, **settings: object) -> list[dict[str, Any]]:
    plain = {"timing": "before", "is_randomised": False, "raw_columns": ["transactions.amount"]}
    return [{"name": name, **plain, **settings} for name in names]


FEATURES = declared(*MATTER, *NOISE)


def planted(
    seed: int,
    effect: float = 0.8,
    customers: int = 800,
    campaigns: int = 4,
    inclination: float = 0.8,
) -> pd.DataFrame:
    """Customers in several campaigns, some more inclined to click than others.

    Features are nearly the same in all of a customer's campaigns, and campaigns differ in their
    rates and in the level of `visits`, as histories that grow longer do.
    """
    rng = np.random.default_rng(seed)
    customer = np.repeat(np.arange(customers), campaigns)
    campaign = np.tile(np.arange(campaigns), customers)
    drawn = rng.random(len(customer)) < 0.8
    own = rng.normal(size=(customers, 5))[customer] + 0.2 * rng.normal(size=(len(customer), 5))
    own_inclination = inclination * rng.normal(size=customers)[customer]
    level = np.linspace(-1, 1, campaigns)[campaign]
    odds = -1 + own_inclination + level + effect * (own[:, 0] - own[:, 1])
    clicked = (rng.random(len(customer)) < expit(odds)).astype(float)
    frame = pd.DataFrame(own, columns=[*MATTER, *NOISE])
    frame["visits"] += 3 * level
    return frame.assign(
        customer_id=[f"C{number:04}" for number in customer],
        campaign_id=[f"K{number}" for number in campaign],
        is_version_known=True,
        campaign_opened=np.nan,
        campaign_clicked=clicked,
        campaign_converted=np.nan,
    )[drawn]


def everybody(frame: pd.DataFrame) -> pd.DataFrame:
    customers = frame[["customer_id"]].drop_duplicates()
    return customers.assign(segmentation="planted", segment_id=1)


def clicked(
    frame: pd.DataFrame, features: list[dict[str, Any]] | None = None, **options: object
) -> pd.DataFrame:
    """The factors of clicking over all customers, by feature."""
    found = engagement_factors(
        frame, everybody(frame), features or FEATURES, **{**OPTIONS, **options}
    )
    rows = found[found["is_all_customers"] & (found["outcome"] == "clicked")]
    return rows.set_index("feature")


def ranks_of(frame: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Ranks within campaigns by scipy, as shares of the campaign, their mean taken off."""

    def ranked(values: pd.Series[float]) -> pd.Series[float]:
        rank = stats.rankdata(values, nan_policy="omit")
        count = values.notna().sum()
        return pd.Series((rank - (count + 1) / 2) / max(count, 1), index=values.index)

    return frame.groupby("campaign_id")[names].transform(ranked)


# --- planted truths ---


def test_features_that_matter_are_first_and_noise_is_not_real() -> None:
    noise_real = 0
    for seed in range(20):
        found = clicked(planted(seed), random_seed=seed)
        assert set(found.nsmallest(2, "combined_rank").index) == set(MATTER)
        assert found.loc[MATTER, "is_real"].all()
        assert (found.loc[MATTER, "sign_stability"] == 1).all()
        assert found.loc["income", "correlation"] > 0 > found.loc["visits", "correlation"]
        noise_real += int(found.loc[NOISE, "is_real"].sum())
    # Beside two real ones of five, noise is found at 3 / 5 of the level at most.
    assert noise_real <= stats.binom.ppf(0.999, 20 * 3, 0.05 * 3 / 5)


def test_of_a_noise_outcome_no_more_factors_are_found_than_the_level_allows() -> None:
    """Customers' inclination makes rows of one customer alike; errors by row would find it."""
    draws, p, real = 60, [], 0
    for seed in range(draws):
        found = clicked(
            planted(100 + seed, effect=0, customers=500, inclination=3), random_seed=seed
        )
        p += list(found["p"])
        real += bool(found["is_real"].any())
    low, high = stats.binom.ppf([0.0005, 0.9995], len(p), 0.05)
    assert low <= sum(one < 0.05 for one in p) <= high
    assert real <= stats.binom.ppf(0.999, draws, 0.05)


@pytest.mark.parametrize("effect", [0.8, 8])
def test_intervals_of_correlations_hold_the_truth(effect: float) -> None:
    def correlation(seed: int, customers: int) -> tuple[float, float]:
        prepared = prepare(
            planted(seed, effect, customers),
            "clicked",
            read_features(declared("income"), []),
            small_cell_customers=0,
            small_cell_events=0,
            known_share=0,
        )
        return rank_correlation(
            prepared.ranks[:, 0], prepared.outcomes, prepared.campaigns, prepared.customers
        )

    truth = correlation(1, 50_000)[0]
    draws = [correlation(1000 + seed, 400) for seed in range(300)]
    held = sum(abs(estimate - truth) <= 1.96 * error for estimate, error in draws)
    low, high = stats.binom.ppf([0.0005, 0.9995], len(draws), 0.95)
    assert low <= held <= high
    spread = np.std([estimate for estimate, _ in draws])
    assert np.mean([error for _, error in draws]) == pytest.approx(spread, rel=0.12)


# --- other implementations ---


def test_one_campaign_is_scipys_spearman() -> None:
    frame = planted(3)
    frame = frame[frame["campaign_id"] == "K1"]
    found = clicked(frame)
    for name in found.index:
        expected = stats.spearmanr(frame[name], frame["campaign_clicked"]).statistic
        assert found.loc[name, "correlation"] == pytest.approx(expected, rel=1e-9)


def test_several_campaigns_are_compared_within_each() -> None:
    frame = planted(4)
    frame.loc[frame.index[::7], "income"] = np.nan
    frame["mood"] = frame["mood"].round()
    found = clicked(frame)
    ranks = ranks_of(frame, [*MATTER, *NOISE])
    for name in found.index:
        known = frame[frame[name].notna()]
        centred = known["campaign_clicked"] - known.groupby("campaign_id")[
            "campaign_clicked"
        ].transform("mean")
        own = ranks.loc[known.index, name]
        expected = (own @ centred) / np.sqrt((own @ own) * (centred @ centred))
        assert found.loc[name, "correlation"] == pytest.approx(expected, rel=1e-9)
        assert found.loc[name, "row_count"] == len(known)
        assert found.loc[name, "event_count"] == known["campaign_clicked"].sum()
        assert found.loc[name, "customer_count"] == known["customer_id"].nunique()


def test_effects_are_scikit_learns_and_so_are_resampled_fits() -> None:
    frame = planted(5)
    found = clicked(frame)
    ranks = ranks_of(frame, list(found.index)).to_numpy()
    values, y = ranks / np.sqrt((ranks**2).mean(axis=0)), frame["campaign_clicked"].to_numpy()
    model = LogisticRegression(C=1 / 5, solver="lbfgs", tol=1e-10, max_iter=1000).fit(values, y)
    assert list(found["standardised_effect"]) == pytest.approx(list(model.coef_[0]), abs=1e-5)
    start = np.append(model.coef_[0], model.intercept_)
    customers = pd.factorize(frame["customer_id"])[0]
    rng = np.random.default_rng(1)
    drawn = np.stack([np.bincount(rng.integers(0, 800, 800), minlength=800) for _ in range(5)])
    columns = np.column_stack([values, np.ones(len(y))])
    # Rows by customer or otherwise, in one block or in several: the sums are the same.
    assert len(y) > factors.ROWS_AT_A_TIME
    found_again = factors.refitted(columns, y, customers, drawn.astype(float), start)
    for weights, refitted in zip(drawn, found_again, strict=True):
        model.fit(values, y, sample_weight=weights[customers])
        expected = np.append(model.coef_[0], model.intercept_)
        assert list(refitted) == pytest.approx(list(expected), abs=1e-3)


def test_p_are_adjusted_within_segmentation_and_outcome_apart_from_all_customers() -> None:
    frame = planted(6).assign(campaign_opened=lambda rows: rows["campaign_clicked"])
    members = everybody(frame)
    members["segment_id"] = np.arange(len(members)) % 2 + 1
    found = engagement_factors(frame, members, FEATURES, **OPTIONS)
    assert set(found["family"]) == {
        f"planted: engagement_factors, {outcome}{group}"
        for outcome in ("opened", "clicked", "converted")
        for group in ("", ", all customers")
    }
    for _, rows in found.groupby("family"):
        tests = rows[rows["p"].notna()]
        if len(tests):
            expected = stats.false_discovery_control(tests["p"])
            assert list(tests["adjusted_p"]) == pytest.approx(list(expected), rel=1e-9)
    assert len(found) == 3 * 3 * len(FEATURES)
    ranked = found[found["reason"].isna()].groupby(["outcome", "segment_id"], dropna=False)
    for column in ("rank_by_correlation", "rank_by_effect", "combined_rank"):
        assert all(set(rows[column]) == set(range(1, 6)) for _, rows in ranked)


# --- what is refused ---


def test_what_the_click_caused_would_be_first_and_is_refused() -> None:
    frame = planted(7)
    rng = np.random.default_rng(7)
    frame["visit_minutes"] = rng.exponential(1 + 9 * frame["campaign_clicked"])
    allowed = clicked(frame, FEATURES + declared("visit_minutes"))
    assert allowed.loc["visit_minutes", "combined_rank"] == 1
    refused = clicked(frame, FEATURES + declared("visit_minutes", timing="after"))
    row = refused.loc["visit_minutes"]
    assert row["reason"] == "after_treatment"
    assert not row["is_real"]
    figures = [name for name, kind in ENGAGEMENT_FACTORS.items() if kind in ("float64", "Int64")]
    assert row[[name for name in figures if name != "segment_id"]].isna().all()
    # It is not looked at: the others are what they are without it.
    pd.testing.assert_frame_equal(refused.drop("visit_minutes"), clicked(planted(7)))


def test_a_feature_known_too_late_is_left_out_of_the_ranking() -> None:
    frame = planted(8)
    late = frame["campaign_id"].isin(["K0", "K1", "K2"])
    frame.loc[late, "income"] = np.nan
    frame["is_version_known"] = ~late
    features = declared("income", from_versions=True) + declared("visits", *NOISE)
    row = clicked(frame, features).loc["income"]
    assert row["reason"] == "timing_unknown"
    assert pd.isna(row[["correlation", "standardised_effect", "combined_rank", "p"]]).all()
    assert clicked(frame, features, known_share=0.1).loc["income", "reason"] is np.nan


def test_constant_features_and_few_customers_or_events_have_no_figures() -> None:
    # Different from campaign to campaign, the same within each.
    frame = planted(9).assign(mood=lambda rows: rows["campaign_id"].str[1:].astype(float))
    frame.loc[frame.index[500:], "luck"] = np.nan
    found = clicked(frame)
    assert found.loc["mood", "reason"] == "constant"
    assert found.loc["luck", "reason"] == "too_few"
    assert found.loc[["income", "visits", "shoe_size"], "reason"].isna().all()
    assert set(found["combined_rank"].dropna()) == {1, 2, 3}
    events = int(frame["campaign_clicked"].sum())
    few = clicked(frame, small_cell_events=events + 1)
    assert set(few["reason"]) == {"too_few"}
    assert set(clicked(frame, small_cell_customers=801)["reason"]) == {"too_few"}


def test_delivery_carries_a_warning_unless_it_was_drawn() -> None:
    features = [
        *declared("income"),
        *declared("visits", is_delivery=True),
        *declared("luck", is_delivery=True, is_randomised=True),
    ]
    found = clicked(planted(10), features)
    assert list(found["was_randomised"]) == [False, False, True]
    assert found["warning"].notna().tolist() == [False, True, False]
    # What the delivery settles is looked at like what was known before, and warns of itself.
    features[1:] = [
        *declared("visits", timing="at_delivery"),
        *declared("luck", timing="at_delivery", is_randomised=True),
    ]
    settled = clicked(planted(10), features)
    pd.testing.assert_frame_equal(settled.drop(columns="timing"), found.drop(columns="timing"))
    assert list(settled["timing"]) == ["before", "at_delivery", "at_delivery"]
    assert "not drawn at random" in found.loc["visits", "warning"]


def test_declarations_that_cannot_be_used_are_refused_in_one_sentence() -> None:
    for features, sentence in [
        (declared("income", raw_columns=["customers.gender"]), "income: it is made from customer"),
        (declared("income", "income"), "income: two features have this name"),
        (declared("income", timing="now"), "income: its timing is now; it is before, at_del"),
        (declared("wealth"), "wealth: int_engagement_features has no such column"),
    ]:
        with pytest.raises(ValueError, match=r"dbt_project.yml, engagement_features, ") as refused:
            clicked(planted(11), features)
        assert sentence in str(refused.value)


def test_the_projects_features_are_usable_and_their_delivery_is_marked() -> None:
    features = read_features(VARS["engagement_features"], VARS["protected_raw_columns"])
    delivery = {feature.name for feature in features if feature.is_delivery}
    assert {"days_since_contact", "recent_contact_count", "first_contact_on_monday"} <= delivery
    assert not any(feature.was_randomised for feature in features)
    # Only a contact of the campaign itself can be known no earlier than its delivery.
    for feature in features:
        assert (feature.timing == "at_delivery") == feature.name.startswith("first_contact_on_")
    for one in VARS["engagement_features"]:
        from_customers = all(
            column.startswith("customers.") and column != "customers.joined_on"
            for column in one["raw_columns"]
        )
        assert one.get("from_versions", False) == from_customers, one["name"]


# --- frames ---


def test_the_order_of_rows_has_no_influence() -> None:
    frame = planted(12)
    shuffled = frame.sample(frac=1, random_state=1)
    pd.testing.assert_frame_equal(clicked(frame), clicked(shuffled))


def test_nothing_handed_in_gives_no_rows_with_all_columns() -> None:
    frame = planted(13)
    for responses, members in [(frame[:0], everybody(frame)), (frame, everybody(frame)[:0])]:
        found = engagement_factors(responses, members, FEATURES, **OPTIONS)
        assert found.empty
        assert {name: str(kind) for name, kind in found.dtypes.items()} == dict(ENGAGEMENT_FACTORS)


def test_signs_are_counted_over_fifty_fits() -> None:
    counts = clicked(planted(14))["sign_stability"] * 50
    assert list(counts) == pytest.approx(list(counts.round()))
    assert not set(counts.round() % 2) <= {0}


def test_a_feature_without_a_correlation_is_ranked_last() -> None:
    found: dict[str, dict[str, object]] = {
        "alike": {"correlation": np.nan, "standardised_effect": 0.5},
        "unlike": {"correlation": -0.2, "standardised_effect": 0.1},
    }
    factors._rank(found, list(found))
    assert [found[name]["rank_by_correlation"] for name in ("unlike", "alike")] == [1, 2]
    assert [found[name]["combined_rank"] for name in ("unlike", "alike")] == [1, 2]
