"""Says whether segments stand in the same order in every channel."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import chi2, norm

from segmentation.frames import CHANNEL_ORDER_AGREEMENTS, conform
from segmentation.personas import Floats

DRAWS = 10_000
METHOD = "Wald test of interaction; Kendall's tau with simulated interval; reversal by intervals"


def channel_order_agreement(
    sums: pd.DataFrame,
    *,
    small_cell_customers: int,
    small_cell_events: int,
    random_seed: int,
    confidence_level: float,
) -> pd.DataFrame:
    """Compare the order of segments by CTR between channels.

    A customer seen in several channels makes their CTR depend on each other, so the errors come
    from sums over customers of products between channels: with r = Y / X in a channel, a customer
    contributes y / Y - x / X to log r (delta method; Deng, Knoblich and Lu, KDD 2018, eq. 4).

    Interaction: Wald's test that log CTR is a sum of a segment's and a channel's part, which is
    "the same profile in every channel" (Agresti, Categorical Data Analysis, 3rd ed., 2013, 1.3.3).

    Rank agreement: Kendall's tau of the segments' order, averaged over pairs of channels. Its
    interval holds what CTRs drawn from the estimates' normal distribution give.

    Largest reversal: two segments change places when one leads in one channel and the other in
    another; the reversal of a pair is the smaller of the two leads, 0 without a change of places.
    Its ends are made from the ends of the leads' intervals, so the upper end is at least the
    level for every single pair (intersection and union of intervals; Gail and Simon, Biometrics
    41, 1985, ask the same question of treatments).

    Args:
        sums: one row per segmentation, segment_id, channel and other_channel, with sums over the
            customers seen in both: customer_count, click_count and impression_count (those of
            channel), clicks_times_clicks, clicks_times_impressions (clicks of channel,
            impressions of other_channel) and impressions_times_impressions.
        small_cell_customers: a channel and segment needs this many customers ...
        small_cell_events: ... and this many clicks, else the row is marked small.
        random_seed: of the draws.
        confidence_level: of the intervals, 0 to 1.

    Returns:
        One row per segmentation, columns CHANNEL_ORDER_AGREEMENTS; figures are NaN where fewer
        than two segments or channels have clicks in every cell. A segmentation is a family, so
        that another one changes no adjusted_p.
    """
    rows = [
        _agreement(
            own,
            small_cell_customers=small_cell_customers,
            small_cell_events=small_cell_events,
            rng=np.random.default_rng(random_seed),
            confidence_level=confidence_level,
        )
        | {"segmentation": segmentation, "family": f"{segmentation}: channel_order_agreement"}
        for segmentation, own in sums.groupby("segmentation", sort=True)
    ]
    return conform(pd.DataFrame(rows), CHANNEL_ORDER_AGREEMENTS)


def _agreement(
    sums: pd.DataFrame,
    *,
    small_cell_customers: int,
    small_cell_events: int,
    rng: np.random.Generator,
    confidence_level: float,
) -> dict[str, object]:
    segments = sorted(sums["segment_id"].unique())
    channels = sorted(sums["channel"].unique())
    own = sums[sums["channel"] == sums["other_channel"]]
    cells = len(segments) * len(channels)
    row: dict[str, object] = dict.fromkeys(CHANNEL_ORDER_AGREEMENTS) | {
        "segment_count": len(segments),
        "channel_count": len(channels),
        "customer_count": int(own.groupby("channel")["customer_count"].sum().max()),
        "method": METHOD,
        "is_small_cell": len(own) < cells
        or bool((own["customer_count"] < small_cell_customers).any())
        or bool((own["click_count"] < small_cell_events).any()),
    }
    if min(len(segments), len(channels)) < 2 or len(own) < cells or (own["click_count"] == 0).any():
        return row
    log_ctr, covariance = _log_ctr(sums, segments, channels)
    statistic, freedom = _interaction(log_ctr, covariance)
    drawn = log_ctr + np.einsum(
        "scd,nsd->nsc",
        np.stack([_root(own_covariance) for own_covariance in covariance]),
        rng.standard_normal((DRAWS, *log_ctr.shape)),
    )
    tail = (1 - confidence_level) / 2
    agreement = float(_rank_agreement(log_ctr[None])[0])
    low, high = np.quantile(_rank_agreement(drawn), [tail, 1 - tail])
    reversal = _largest_reversal(log_ctr, covariance, float(norm.ppf(1 - tail)))
    p = float(chi2.sf(statistic, freedom))
    return row | {
        "interaction_statistic": statistic,
        "interaction_freedom": freedom,
        "p": p,
        # The only test of its family, so there is nothing to adjust for.
        "adjusted_p": p,
        "rank_agreement": agreement,
        "rank_agreement_low": min(float(low), agreement),
        "rank_agreement_high": max(float(high), agreement),
        "largest_reversal": reversal[0],
        "largest_reversal_low": reversal[1],
        "largest_reversal_high": reversal[2],
    }


def _log_ctr(sums: pd.DataFrame, segments: list[int], channels: list[str]) -> tuple[Floats, Floats]:
    """Log CTR, shape (segments, channels), and its covariance, (segments, channels, channels)."""

    def table(column: str) -> Floats:
        wide = sums.set_index(["segment_id", "channel", "other_channel"])[column].unstack()
        index = pd.MultiIndex.from_product([segments, channels])
        filled = wide.reindex(index=index, columns=channels).fillna(0)
        found: Floats = filled.to_numpy(float).reshape(len(segments), len(channels), -1)
        return found

    clicks = np.einsum("scc->sc", table("click_count"))
    impressions = np.einsum("scc->sc", table("impression_count"))
    between = table("clicks_times_impressions")
    covariance: Floats = (
        table("clicks_times_clicks") / (clicks[:, :, None] * clicks[:, None, :])
        - between / (clicks[:, :, None] * impressions[:, None, :])
        - between.transpose(0, 2, 1) / (impressions[:, :, None] * clicks[:, None, :])
        + table("impressions_times_impressions")
        / (impressions[:, :, None] * impressions[:, None, :])
    )
    return np.log(clicks / impressions), covariance


def _root(covariance: Floats) -> Floats:
    """A square root of a covariance, also where rounding left it without a Cholesky factor."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = vectors * np.sqrt(np.maximum(values, 0))
    return root


def _interaction(log_ctr: Floats, covariance: Floats) -> tuple[float, int]:
    """Wald statistic of no interaction, and its degrees of freedom."""
    segments, channels = log_ctr.shape
    by_segment = np.eye(segments)[1:] - np.eye(segments)[:1]
    by_channel = np.eye(channels)[1:] - np.eye(channels)[:1]
    contrasts = np.kron(by_segment, by_channel)
    joint = np.zeros((log_ctr.size, log_ctr.size))
    for position, own in enumerate(covariance):
        here = slice(position * channels, (position + 1) * channels)
        joint[here, here] = own
    gaps = contrasts @ log_ctr.ravel()
    spread = contrasts @ joint @ contrasts.T
    return float(gaps @ np.linalg.pinv(spread) @ gaps), len(contrasts)


def _rank_agreement(log_ctr: Floats) -> Floats:
    """Kendall's tau, mean over pairs of channels; from (draws, segments, channels) to (draws,)."""
    one, other = np.array(list(combinations(range(log_ctr.shape[1]), 2))).T
    order = np.sign(log_ctr[:, one] - log_ctr[:, other])
    first, second = np.array(list(combinations(range(log_ctr.shape[2]), 2))).T
    agreement: Floats = (order[:, :, first] * order[:, :, second]).mean(axis=(1, 2))
    return agreement


def _largest_reversal(log_ctr: Floats, covariance: Floats, z: float) -> tuple[float, float, float]:
    """The largest reversal over pairs of segments as a difference of CTRs, with its two ends."""
    ctr = np.exp(log_ctr)
    variance = ctr**2 * np.einsum("scc->sc", covariance)
    one, other = np.array(list(combinations(range(len(ctr)), 2))).T
    lead = ctr[one] - ctr[other]
    margin = z * np.sqrt(variance[one] + variance[other])
    found = np.minimum(lead.max(axis=1), -lead.min(axis=1)).max()
    low = np.minimum((lead - margin).max(axis=1), -(lead + margin).min(axis=1)).max()
    high = np.minimum((lead + margin).max(axis=1), -(lead - margin).min(axis=1)).max()
    return max(0.0, float(found)), max(0.0, float(low)), max(0.0, float(high))
