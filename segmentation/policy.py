"""Says what choosing an action per segment gains over one action for all."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm

from segmentation.frames import SEGMENTATION_VALUES, conform
from segmentation.personas import Floats

Codes = npt.NDArray[np.intp]
METHOD = "cross-fitted, doubly robust with the planned share, error by customer"
GAINS = ("gain", "random_gain", "gain_over_random")


@dataclass(frozen=True)
class Trial:
    """A campaign's customers, arrays of shape (customers,).

    `customer` numbers customers over all campaigns and `segment` the segments from 0 on;
    `is_treated` is 1 or 0, `outcome` a number, `share` the planned chance to be treated.
    """

    campaign_id: str
    customer: Codes
    segment: Codes
    is_treated: Floats
    outcome: Floats
    share: float


def segmentation_values(
    customers: pd.DataFrame, *, splits: int, random_seed: int, confidence_level: float
) -> pd.DataFrame:
    """Value the best action per segment (the campaign or nothing) of campaigns with a holdout.

    Customers are split into halves; on one the action that came out better is chosen for each
    segment and for all together, on the other the choice is valued by doubly robust scores, and the
    other way round (Athey and Wager, Econometrica 89, 2021; valued against random groups of the
    same sizes as Hitsch, Misra and Zhang, Quantitative Marketing and Economics 22, 2024). So the
    gain is that of choosing on half the customers. It is the mean over splits; its variance is the
    mean of the splits' own, which lies above that of the mean (Imai and Li, JASA 118, 2023).

    Args:
        customers: one row per segmentation, outcome, campaign and customer: segmentation, outcome,
            campaign_id, customer_id, segment_id, is_treated (1 or 0), outcome_value (1 or 0, or an
            amount) and treated_share, the planned chance to be treated, in (0, 1).
        splits: how many, each with random segments of its own.
        random_seed: of splits and random segments.
        confidence_level: of the intervals, 0 to 1.

    Returns:
        One row per segmentation, outcome and campaign and one over all campaigns (campaign_id
        null), columns SEGMENTATION_VALUES; gains are in the outcome's unit per customer and
        campaign. Where both policies did the same with everybody in every split, a gain is 0 and
        has no interval: nothing varied that an error could be had from.
    """
    rows: list[dict[str, object]] = []
    z = float(norm.ppf((1 + confidence_level) / 2))
    for (segmentation, outcome), own in customers.groupby(["segmentation", "outcome"], sort=True):
        trials = list(_trials(own))
        rng = np.random.default_rng(random_seed)
        sums = [_valued(trials, rng) for _ in range(splits)]
        names = [*(trial.campaign_id for trial in trials), None]
        for position, name in enumerate(names):
            means = np.array([split[0][position] for split in sums]).mean(axis=0)
            errors = np.sqrt(np.array([split[1][position] for split in sums]).mean(axis=0))
            shares = np.array([split[2][position] for split in sums]).mean(axis=0)
            covered = trials if name is None else [trials[position]]
            row: dict[str, object] = {
                "segmentation": segmentation,
                "outcome": outcome,
                "is_all_campaigns": name is None,
                "campaign_id": name,
                "campaign_count": len(covered),
                "segment_count": max(len(np.unique(trial.segment)) for trial in covered),
                "customer_count": len(np.unique(np.concatenate([t.customer for t in covered]))),
                "addressed_share": shares[0],
                "one_action_share": shares[1],
                "split_count": splits,
                "method": METHOD,
            }
            for gain, mean, error in zip(GAINS, means, errors, strict=True):
                reach = z * error if error > 0 else np.nan
                row |= {gain: mean, f"{gain}_low": mean - reach, f"{gain}_high": mean + reach}
            rows.append(row)
    return conform(pd.DataFrame(rows), SEGMENTATION_VALUES)


def _trials(customers: pd.DataFrame) -> Iterator[Trial]:
    """The campaigns of one segmentation, rows in the order of customers whatever came in."""
    ordered = customers.sort_values(["campaign_id", "customer_id"])
    number = pd.factorize(ordered["customer_id"], sort=True)[0]
    for campaign_id, own in ordered.assign(number=number).groupby("campaign_id", sort=True):
        yield Trial(
            campaign_id=str(campaign_id),
            customer=own["number"].to_numpy(np.intp),
            segment=pd.factorize(own["segment_id"], sort=True)[0].astype(np.intp),
            is_treated=own["is_treated"].to_numpy(float),
            outcome=own["outcome_value"].to_numpy(float),
            share=float(own["treated_share"].iloc[0]),
        )


def _valued(trials: list[Trial], rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Value one split of every campaign.

    Returns:
        The three gains, shape (campaigns + 1, 3), the last over all campaigns; their variances,
        the same; and the shares of customers that the segments' actions and the one action address,
        (campaigns + 1, 2).
    """
    parts = [split_scores(trial, rng) for trial in trials]
    scores = [part[0] for part in parts]
    shares = [part[1] for part in parts]
    owners = [trial.customer for trial in trials]
    scores.append(np.concatenate(scores))
    shares.append(np.concatenate(shares))
    owners.append(np.concatenate(owners))
    means = np.array([own.mean(axis=0) for own in scores])
    variances = [
        _variance(own, owner, mean) for own, owner, mean in zip(scores, owners, means, strict=True)
    ]
    return means, np.array(variances), np.array([share.mean(axis=0) for share in shares])


def _variance(scores: Floats, owner: Codes, mean: Floats) -> Floats:
    """Variances of the means of scores, shape (rows, gains), whose rows belong to customers."""
    gaps = scores - mean
    by_customer = np.array([np.bincount(owner, gaps[:, k]) for k in range(gaps.shape[1])])
    found: Floats = (by_customer**2).sum(axis=1) / len(scores) ** 2
    return found


def split_scores(trial: Trial, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Scores of one split into halves, each valued by what the other half chose.

    Returns:
        Per customer the score of the gain of segments over one action, of random segments over one
        action, and of segments over random segments, shape (customers, 3); and whether the
        segments' and the one action address the customer, (customers, 2).
    """
    size = len(trial.outcome)
    half = rng.permutation(size) % 2
    random = rng.permutation(trial.segment)
    scores, shares = np.zeros((size, 3)), np.zeros((size, 2))
    for valued in (0, 1):
        here, there = half == valued, half != valued
        single = _better(np.zeros(size, np.intp), there, trial, fallback=0.0)[0]
        own = _better(trial.segment, there, trial, fallback=single)[trial.segment[here]]
        chance = _better(random, there, trial, fallback=single)[random[here]]
        effect = _effect_scores(trial, here, there)
        scores[here] = np.column_stack([own - single, chance - single, own - chance])
        scores[here] *= effect[:, None]
        shares[here] = np.column_stack([own, np.full(len(own), single)])
    return scores, shares


def _better(groups: Codes, rows: npt.NDArray[np.bool_], trial: Trial, fallback: float) -> Floats:
    """Per group 1 where the treated among `rows` fare better, 0 where worse, else `fallback`."""
    count = int(groups.max()) + 1
    group, treated, outcome = groups[rows], trial.is_treated[rows], trial.outcome[rows]
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = np.bincount(group, treated * outcome, count) / np.bincount(group, treated, count)
        others = 1 - treated
        gap -= np.bincount(group, others * outcome, count) / np.bincount(group, others, count)
    found: Floats = np.where(gap > 0, 1.0, np.where(gap < 0, 0.0, fallback))
    return found


def _effect_scores(
    trial: Trial, here: npt.NDArray[np.bool_], there: npt.NDArray[np.bool_]
) -> Floats:
    """Scores with the mean of the effect of being treated, for customers `here`.

    Weights come from the planned share, which randomisation makes exact; the arms' means `there`
    only take variance away.
    """
    means = []
    for arm in (1.0, 0.0):
        of_arm = trial.outcome[there & (trial.is_treated == arm)]
        means.append(of_arm.mean() if len(of_arm) else 0.0)
    treated, outcome = trial.is_treated[here], trial.outcome[here]
    found: Floats = (
        means[0]
        - means[1]
        + treated * (outcome - means[0]) / trial.share
        - (1 - treated) * (outcome - means[1]) / (1 - trial.share)
    )
    return found
