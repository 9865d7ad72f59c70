"""How well engagement is foretold: planted truths, and scikit-learn's own figures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.metrics import (  # type: ignore[import-untyped]
    brier_score_loss,
    log_loss,
    roc_auc_score,
)
from test_engagement_factors import FEATURES, OPTIONS, declared, planted

from segmentation.frames import MODEL_SCORECARDS
from segmentation.scorecards import METRICS, SPLITS, Forecasts, engagement_scorecards, judge

CARDS: dict[str, Any] = {
    **{name: value for name, value in OPTIONS.items() if name != "least_sign_stability"},
    "train_share": 0.67,
}


def dated(frame: pd.DataFrame, days: int = 30, length: int = 20) -> pd.DataFrame:
    """Campaigns that start one after the other."""
    number = frame["campaign_id"].str[1:].astype(int)
    starts = pd.Timestamp("2026-01-01") + pd.to_timedelta(number * days, unit="day")
    return frame.assign(starts_on=starts, ends_on=starts + pd.Timedelta(days=length))


def scorecards(
    frame: pd.DataFrame, features: list[dict[str, Any]] | None = None, **options: object
) -> pd.DataFrame:
    """The rows about clicking, by split and metric."""
    found = engagement_scorecards(frame, features or FEATURES, **{**CARDS, **options})
    return found[found["model"] == "engagement: clicked"].set_index(["split", "metric"])


def forecasts(seed: int, rows: int = 900, customers: int = 300) -> Forecasts:
    rng = np.random.default_rng(seed)
    chances = expit(rng.normal(-1, 1, rows)).round(3)
    return Forecasts(
        outcomes=(rng.random(rows) < expit(0.3 + 0.6 * logit(chances))).astype(float),
        chances=chances,
        base_rates=np.full(rows, 0.3),
        customers=rng.integers(0, customers, rows),
        folds=rng.integers(0, 3, rows),
    )


# --- planted truths ---


def test_of_a_noise_outcome_the_auc_holds_a_half() -> None:
    held, better = 0, 0
    for seed in range(30):
        found = scorecards(dated(planted(200 + seed, effect=0, customers=500)), random_seed=seed)
        auc = found.xs("auc", level="metric")
        held += int(((auc["estimate_low"] <= 0.5) & (auc["estimate_high"] >= 0.5)).sum())
        better += int(found["is_better_than_chance"].fillna(False).sum())
    assert held >= stats.binom.ppf(0.001, 30 * 2, 0.95)
    assert better <= stats.binom.ppf(0.999, 30 * 6, 0.025)


def test_what_matters_is_foretold_better_than_chance_and_calibrated() -> None:
    found = scorecards(dated(planted(1, customers=2000)))
    for split in SPLITS:
        rows = found.loc[split]
        assert rows.loc[["auc", "log_loss", "brier_score"], "is_better_than_chance"].all()
        assert rows.loc["auc", "estimate"] > 0.65
        assert rows.loc["log_loss", "estimate"] < rows.loc["log_loss", "baseline_value"]
        assert rows.loc["calibration_slope", "estimate"] == pytest.approx(1, abs=0.25)
    intercept = found.loc[("customer", "calibration_intercept")]
    assert intercept["estimate_low"] < 0 < intercept["estimate_high"]
    assert found["use_baseline"].isna().all()


def test_time_fits_only_to_what_had_ended_before_the_first_later_campaign() -> None:
    frame = dated(planted(2, customers=1500, campaigns=6))
    later = frame["campaign_id"].isin(["K4", "K5"])
    turned = frame.assign(campaign_clicked=frame["campaign_clicked"].where(~later, np.nan))
    turned.loc[later, "campaign_clicked"] = 1 - frame.loc[later, "campaign_clicked"]
    auc = ("time", "auc")
    assert scorecards(frame).loc[auc, "row_count"] == later.sum()
    assert scorecards(turned).loc[auc, "estimate_high"] < 0.5
    # K3 still runs when K4 begins, so that what its customers did is not known by then.
    running = frame["ends_on"].mask(frame["campaign_id"] == "K3", pd.Timestamp("2026-05-02"))
    overlapping = frame.assign(ends_on=running)
    others = overlapping.assign(
        campaign_clicked=frame["campaign_clicked"].where(frame["campaign_id"] != "K3", 1.0)
    )
    pd.testing.assert_frame_equal(
        scorecards(overlapping).loc[["time"]], scorecards(others).loc[["time"]]
    )
    assert scorecards(frame).loc[auc, "estimate"] != scorecards(overlapping).loc[auc, "estimate"]


def test_the_same_customer_is_never_fitted_to_and_foretold() -> None:
    """Features that tell customers apart and nothing else: who clicked before clicks again."""
    frame = dated(planted(3, effect=0, customers=250, inclination=4))
    names = [f"trait_{number}" for number in range(60)]
    traits = np.random.default_rng(3).normal(size=(250, len(names)))
    own = pd.DataFrame(traits[pd.factorize(frame["customer_id"])[0]], frame.index, names)
    found = scorecards(frame.join(own), declared(*names), small_cell_customers=100)
    for split in SPLITS:
        auc = found.loc[(split, "auc")]
        assert auc["estimate_low"] <= 0.5 <= auc["estimate_high"], split


# --- scikit-learn ---


def test_figures_are_scikit_learns() -> None:
    one = forecasts(1)
    found = judge(one, np.random.default_rng(1), 0.95, 1)
    y, p = one.outcomes, one.chances
    pairs = np.array(
        [(y[one.folds == k] == 1).sum() * (y[one.folds == k] == 0).sum() for k in range(3)]
    )
    aucs = [roc_auc_score(y[one.folds == k], p[one.folds == k]) for k in range(3)]
    slope = LogisticRegression(C=np.inf, tol=1e-10).fit(logit(p)[:, None], y).coef_[0, 0]
    assert found["auc"]["estimate"] == pytest.approx(np.average(aucs, weights=pairs), rel=1e-12)
    assert found["log_loss"]["estimate"] == pytest.approx(log_loss(y, p), rel=1e-12)
    assert found["log_loss"]["baseline_value"] == pytest.approx(log_loss(y, one.base_rates))
    assert found["brier_score"]["estimate"] == pytest.approx(brier_score_loss(y, p), rel=1e-12)
    assert found["calibration_slope"]["estimate"] == pytest.approx(slope, rel=1e-4)
    intercept = found["calibration_intercept"]["estimate"]
    assert expit(intercept + logit(p)).sum() == pytest.approx(y.sum(), rel=1e-9)
    base = found["calibration_intercept"]["baseline_value"]
    assert expit(base + logit(0.3)) == pytest.approx(y.mean(), rel=1e-9)
    assert list(found) == list(METRICS)


def test_intervals_are_those_of_resampled_customers() -> None:
    """Against a bootstrap written out: rows of the drawn customers, every figure made anew."""
    one = forecasts(2)
    found = judge(one, np.random.default_rng(1), 0.95, 1)
    rng = np.random.default_rng(2)
    rows_of = [np.flatnonzero(one.customers == customer) for customer in range(300)]
    rows_of = [rows for rows in rows_of if len(rows)]
    drawn: dict[str, list[float]] = {"log_loss": [], "calibration_slope": [], "auc": []}
    for _ in range(150):
        rows = np.concatenate([rows_of[k] for k in rng.integers(0, len(rows_of), len(rows_of))])
        y, p, folds = one.outcomes[rows], one.chances[rows], one.folds[rows]
        drawn["log_loss"].append(log_loss(y, p))
        model = LogisticRegression(C=np.inf).fit(logit(p)[:, None], y)
        drawn["calibration_slope"].append(model.coef_[0, 0])
        aucs = [roc_auc_score(y[folds == k], p[folds == k]) for k in range(3)]
        drawn["auc"].append(float(np.mean(aucs)))
    for metric, values in drawn.items():
        width = found[metric]["estimate_high"] - found[metric]["estimate_low"]
        low, high = np.quantile(values, [0.025, 0.975])
        assert width == pytest.approx(high - low, rel=0.25), metric


# --- frames ---


def test_every_model_split_and_metric_has_a_row_also_where_nothing_can_be_judged() -> None:
    for options, judged in [({}, True), ({"small_cell_customers": 10_000}, False)]:
        found = engagement_scorecards(dated(planted(4)), FEATURES, **{**CARDS, **options})
        assert len(found) == 3 * len(SPLITS) * len(METRICS)
        assert {name: str(kind) for name, kind in found.dtypes.items()} == dict(MODEL_SCORECARDS)
        rows = found[found["model"] == "engagement: clicked"]
        assert rows["estimate"].notna().all() == judged
        others = found[found["model"] != "engagement: clicked"]
        assert others["estimate"].isna().all()
        assert others["is_better_than_chance"].isna().all()
        assert others["method"].str.contains("not judged").all()


def test_one_campaign_has_no_later_one() -> None:
    frame = dated(planted(5))
    found = scorecards(frame[frame["campaign_id"] == "K0"])
    assert found.loc["time", "estimate"].isna().all()
    assert (found.loc["time", "row_count"] == 0).all()
    assert found.loc["customer", "estimate"].notna().all()


def test_no_responses_give_no_rows_with_all_columns() -> None:
    found = engagement_scorecards(dated(planted(6))[:0], FEATURES, **CARDS)
    assert found.empty
    assert {name: str(kind) for name, kind in found.dtypes.items()} == dict(MODEL_SCORECARDS)
