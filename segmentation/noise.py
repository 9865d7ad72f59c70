"""Says which readings of a segmentation are noise: what chance alone would have shown."""

import math
import warnings
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chndtrinc
from scipy.stats import false_discovery_control
from sklearn.cluster import KMeans  # type: ignore[import-untyped]
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.metrics import (  # type: ignore[import-untyped]
    adjusted_rand_score,
    silhouette_score,
)
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from segmentation.fit import (
    ALL_EQUAL,
    FITTED,
    TOO_FEW_ENTITIES,
    Specification,
    centres_of,
    mean_and_deviation,
    own_inputs,
    standardised_by,
)
from segmentation.frames import (
    OUTCOME_NOISE_CHECKS,
    SEGMENTATION_NOISE_CHECKS,
    VARIATION_SHARES,
    conform,
)
from segmentation.personas import Floats

Integers = npt.NDArray[np.int64]

ETA_SQUARED = "eta_squared"
CRAMERS_V = "cramers_v"

SEGMENT = "segment"
CUSTOMER = "customer_within_segment"
CHANNEL = "channel"
RESIDUAL = "residual"
COMPONENTS = (SEGMENT, CUSTOMER, CHANNEL, RESIDUAL)
# What lies with the customer against what lies with the channel.
CUSTOMERS_LESS_CHANNELS = np.array([1.0, 1.0, -1.0, 0.0])

OUTCOME_METHOD = "permuted labels; noncentral chi-squared interval"
SHARES_METHOD = "components by moments, intervals and p by resampling customers"

# Equal effects from different permutations differ in their last bits, and count as equal.
TIE = 1e-9

# A fit has 20 starts. With 3 for the shuffled sets, noise passed for structure three times too
# often, since more starts find better groups in noise too; with 10 the difference is gone.
NULL_START_COUNT = 10

# Resampling this many customers takes seconds, and their number only scales the result.
RESAMPLED_CUSTOMERS = 20_000

# A silhouette needs all pairs of rows.
SILHOUETTE_ROWS = 1500

REQUIRED_BEATEN_SHARE = 0.95


@dataclass(frozen=True)
class _Groups:
    """Entities in order of their id, and which group each is in, the groups numbered from 0."""

    entity_ids: pd.Index
    codes: Integers
    count: int


@dataclass(frozen=True)
class _Effect:
    """An explained share with its interval and what permutations made of it; NaN if undefined."""

    customer_count: int
    segment_count: int
    share: float
    low: float
    high: float
    permuted: Floats
    p: float


@dataclass(frozen=True)
class _Difference:
    """A difference of shares with its interval and two-sided p; NaN if undefined."""

    estimate: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class _Cells:
    """Customers by channels: clicks and impressions; and each customer's segment."""

    clicks: Floats
    impressions: Floats
    segments: Integers


def outcome_noise_check(
    members: pd.DataFrame,
    outcomes: pd.DataFrame,
    *,
    binary_outcomes: Collection[str],
    permutations: int = 200,
    random_seed: int,
    confidence_level: float,
) -> pd.DataFrame:
    """Compare what segments explain of every outcome with what permuted labels explain of it.

    The effect is eta squared, the share of the outcome's variance that lies between segments;
    for an outcome of 0 and 1 it is Cramer's V, which is there the root of eta squared. Only
    customers with a value count, and labels are permuted among them. For 0 and 1 the counts per
    segment under permuted labels are drawn directly from their exact distribution, the
    multivariate hypergeometric.

    The p-value is (1 + permutations with at least the observed effect) / (1 + permutations)
    (Phipson and Smyth 2010): with 200 permutations it cannot be below 1 / 201. It is adjusted
    over the outcomes of a segmentation (Benjamini and Hochberg 1995). So that one outcome alone
    can stand out among many, there are at least as many permutations as outcomes divided by
    1 - confidence_level.

    The interval inverts the noncentral chi-squared distribution of the effect (Steiger 2004),
    its spread scaled to the one that the influence function of eta squared shows (Hampel 1974),
    so that skewed outcomes, unequal spread and random segment sizes count. It is widened to hold
    the estimate. Simulated with 95 % at 200, 1,000 and 4,000 customers, the true value lay in 91
    to 96 % of intervals for normal outcomes of equal and unequal spread and for click-through
    rates, in 94 to 96 % for rare 0 and 1 (5 %) from 1,000 customers on (89 to 96 % at 200), in 88
    to 95 % for lognormal amounts with sigma 1, and in 87 to 95 % with sigma 1.2, where single
    customers carry the variance. Without any effect it starts at 0 in 95 to 97 % from 1,000
    customers on. It decides nothing; the p-value does.

    Time grows with customers x numeric outcomes x permutations: about 3 s per numeric outcome at
    1,000,000 customers and 200 permutations.

    Args:
        members: one row per segmentation and entity: segmentation, entity_id, segment_id.
        outcomes: one row per customer: entity_id and one numeric column per outcome; missing and
            infinite values are left out. The order of rows and columns has no influence.
        binary_outcomes: names of the columns that hold 0 and 1 (or false and true) only.
        permutations: how many permutations there are at least.
        random_seed: seed of the permutations; every segmentation and outcome has a stream of its
            own, so that adding one changes no other.
        confidence_level: of intervals, and 1 minus the level of the test; 0 to 1.

    Returns:
        One row per segmentation and outcome, in order of their names; columns of
        `frames.OUTCOME_NOISE_CHECKS`.
        - customer_count, segment_count: customers with a value, and the segments they are in.
        - effect_name: 'eta_squared' or 'cramers_v', in whose units effect, effect_low,
          effect_high, permuted_mean and permuted_95th_percentile are, 0 to 1.
        - family: one per segmentation, over which p is adjusted.
        - explains_more_than_chance: adjusted_p is below 1 - confidence_level.
        Where fewer than two segments have values, or the values do not differ, the figures are
        missing, explains_more_than_chance is false, and the row does not count in adjusting.

    Raises:
        ValueError: an entity stands twice in a segmentation or in the outcomes; a binary outcome
            is no column of the outcomes, or holds anything but 0 and 1.
    """
    names = sorted(column for column in outcomes.columns if column != "entity_id")
    unknown = sorted(set(binary_outcomes) - set(names))
    if unknown:
        raise ValueError(f"The binary outcome '{unknown[0]}' is no column of the outcomes.")
    if members.empty or outcomes.empty or not names:
        return conform(pd.DataFrame(), OUTCOME_NOISE_CHECKS)
    values = _outcomes_by_entity(outcomes, names, binary_outcomes)
    count = max(permutations, math.ceil(len(names) / (1 - confidence_level)))
    rows = []
    for segmentation, groups in _groups_by_segmentation(members):
        own = values.reindex(groups.entity_ids)
        effects = {
            name: _effect(
                groups,
                own[name].to_numpy(),
                is_binary=name in binary_outcomes,
                permutation_count=count,
                random=stream(random_seed, segmentation, name),
                confidence_level=confidence_level,
            )
            for name in names
        }
        adjusted = adjusted_p_values({name: effect.p for name, effect in effects.items()})
        for name, effect in effects.items():
            is_binary = name in binary_outcomes
            shares = [effect.share, effect.low, effect.high]
            share, low, high = np.sqrt(shares) if is_binary else shares
            permuted = np.sqrt(effect.permuted) if is_binary else effect.permuted
            rows.append(
                {
                    "segmentation": segmentation,
                    "outcome": name,
                    "customer_count": effect.customer_count,
                    "segment_count": effect.segment_count,
                    "effect_name": CRAMERS_V if is_binary else ETA_SQUARED,
                    "effect": share,
                    "effect_low": low,
                    "effect_high": high,
                    "permutation_count": len(permuted),
                    "permuted_mean": permuted.mean() if len(permuted) else np.nan,
                    "permuted_95th_percentile": (
                        np.quantile(permuted, 0.95) if len(permuted) else np.nan
                    ),
                    "p": effect.p,
                    "adjusted_p": adjusted[name],
                    "family": f"{segmentation}: segment_outcome_noise_check",
                    "method": OUTCOME_METHOD,
                    "explains_more_than_chance": adjusted[name] < 1 - confidence_level,
                }
            )
    return conform(pd.DataFrame(rows), OUTCOME_NOISE_CHECKS)


def variation_shares(
    members: pd.DataFrame,
    channel_outcomes: pd.DataFrame,
    *,
    resamples: int = 200,
    random_seed: int,
    confidence_level: float,
) -> pd.DataFrame:
    """Divide the variation of click-through rates between segments, customers and channels.

    What varies is the rate p of a customer in a channel that the clicks came from, not the
    clicks: p = segment + customer + channel + residual, where the residual is particular to a
    customer in a channel, such as a segment's liking for one channel. The chance of single
    clicks is taken out, by moments, without assuming a distribution (fitting constants, method 3
    of Henderson 1953, see Searle, Casella and McCulloch 1992; for proportions Kleinman 1973):

    - channel: differences between channels within the same customer, so that a channel shown to
      willing customers does not look better for it; their variance over impressions.
    - segment: variance over impressions of the segments' rates, adjusted for channels.
    - customer_within_segment: covariance of a customer's departures from segment and channel in
      two different channels, whose chance is independent.
    - residual: variance of these departures, made from pairs of impressions in one cell, minus
      that covariance. Clicks that come in runs count here.

    Segment and channel lose the part that chance adds to the square of an estimate. Every
    component is weighted by impressions; the last two rest on customers reached in two channels
    or more. A negative estimate counts as 0. Shares are of the sum of the four.

    The interval has the quantiles of the shares over resampled customers as its ends, cut off at
    0 and 1 and widened to hold the estimate; it is 0 to 1 where the sum itself may be 0. Of more
    than 20,000 customers, 20,000 drawn at random are resampled, and deviations scaled to the full
    number. Simulated with 95 %: 92 to 99 % of intervals hold the true share at 4,000 customers, and
    95 to 97 % the true customers_less_channels; where that is 0, its p was below 5 % in 5 %.

    Args:
        members: one row per segmentation and entity: segmentation, entity_id, segment_id.
        channel_outcomes: entity_id, channel, impression_count, click_count; rows of the same
            customer and channel are added up; rows without impressions or with unknown clicks
            are left out. The order of the rows has no influence.
        resamples: how many times customers are drawn with replacement.
        random_seed: seed of the resamples.
        confidence_level: of the intervals, 0 to 1.

    Returns:
        Four rows per segmentation that has any member with impressions, in the order segment,
        customer_within_segment, channel, residual; columns of `frames.VARIATION_SHARES`.
        - variance: of rates (0 to 1), before negative ones become 0.
        - share, share_low, share_high: 0 to 1; the four shares add up to 1.
        - customers_less_channels, with its interval, p and adjusted_p: share of segment and
          customer_within_segment less that of channel, -1 to 1; the same in the four rows, a
          family by itself.
        All of these are missing where no customer was reached in two channels, or some channels
        share no customers with the others: customers and channels cannot be told apart there;
        shares are missing where nothing varies.

    Raises:
        ValueError: an entity stands twice in a segmentation; clicks are negative or more than
            impressions.
    """
    known = channel_outcomes[["entity_id", "channel", "impression_count", "click_count"]].dropna()
    known = known[known["impression_count"] > 0]
    if ((known["click_count"] < 0) | (known["click_count"] > known["impression_count"])).any():
        raise ValueError("Channel outcomes hold negative clicks, or more clicks than impressions.")
    if members.empty or known.empty:
        return conform(pd.DataFrame(), VARIATION_SHARES)
    rows = []
    for segmentation, groups in _groups_by_segmentation(members):
        cells = _cells(groups, known)
        if cells is None:
            continue
        variances = _components(cells, np.ones(len(cells.segments)))
        shares = _shares(variances)
        resampled = _resampled(cells, variances, resamples, stream(random_seed, segmentation))
        low, high = _share_bounds(variances, resampled, confidence_level)
        difference = _share_difference(
            CUSTOMERS_LESS_CHANNELS, variances, resampled, confidence_level
        )
        rows += [
            {
                "segmentation": segmentation,
                "component": component,
                "customer_count": len(cells.segments),
                "impression_count": int(cells.impressions.sum()),
                "variance": variances[place],
                "share": shares[place],
                "share_low": low[place],
                "share_high": high[place],
                "customers_less_channels": difference.estimate,
                "customers_less_channels_low": difference.low,
                "customers_less_channels_high": difference.high,
                "p": difference.p,
                # The only comparison of its family, so there is nothing to adjust for.
                "adjusted_p": difference.p,
                "family": f"{segmentation}: variation_shares",
                "method": SHARES_METHOD,
            }
            for place, component in enumerate(COMPONENTS)
        ]
    return conform(pd.DataFrame(rows), VARIATION_SHARES)


def segmentation_noise_check(
    specifications: Sequence[Specification],
    inputs: pd.DataFrame,
    fits: pd.DataFrame,
    *,
    earlier_checks: pd.DataFrame,
    random_seed: int,
    null_sets: int = 20,
    halves: int = 10,
    minimum_agreement: float,
    sample_size: int,
) -> pd.DataFrame:
    """Ask of every current fit whether its segments are more than k-means finds in shuffled data.

    A fit's silhouette (Rousseeuw 1987) and within-segment sum of squares are compared with those
    of the same k fitted to null sets, in which every standardised column is permuted on its own:
    each column keeps its distribution, and nothing ties the columns together (the reference of
    Tibshirani, Walther and Hastie 2001, drawn from the columns themselves). Then the entities
    are split at random into halves, k centres are fitted to each, all entities are assigned by
    both, and the two divisions compared by the adjusted Rand index (Hubert and Arabie 1985; the
    idea is that of Lange et al. 2004).

    A silhouette must beat more than 95 % of the null sets; with 20 of them, all. Without any
    structure that happens 1 time in 21. Columns that vary together without forming groups beat
    their null sets as well, and groups that are only the combinations of independent columns do
    not: what is found is structure, and structure is not always groups.

    The cost is bounded by `sample_size`, whatever the number of entities: null sets and halves
    are fitted with 10 starts, silhouettes use at most 1,500 rows. About 1.5 s of one core for
    4,000 entities, 8 features and k = 4.

    Args:
        specifications: as for `fit.fit_missing`.
        inputs: as for `fit.fit_missing`; the data the fits were made on, or newer ones.
        fits: the fits in use, as `fit.current_fits` returns them.
        earlier_checks: rows that this function returned before; their fits are not checked again.
        random_seed: seed of sample, permutations, splits and k-means starts.
        null_sets: how many data sets are permuted.
        halves: how many times the entities are split.
        minimum_agreement: least mean adjusted Rand index, 0 (chance) to 1 (the same), of a
            segmentation that counts as found.
        sample_size: at most so many entities are looked at, drawn at random.

    Returns:
        New checks alone, one row per fit id in the order of `fits`; columns of
        `frames.SEGMENTATION_NOISE_CHECKS`.
        - silhouette (-1 to 1), within_squares (per entity, in squared standard deviations
          summed over features): of the fit's own centres; null_...: means over null sets.
        - silhouette_beaten_share, within_squares_beaten_share: share of null sets that are worse.
        - agreement: mean adjusted Rand index over the splits.
        - no_structure_found: the silhouette beats 95 % of null sets or fewer, or agreement is
          below minimum_agreement, or the fit could not form its groups, or has one only.
        - reason: the same in a sentence or two.
        Figures of a fit that did not form its groups are missing. A fit without any input has no
        row.

    Raises:
        ValueError: sample_size, null_sets or halves is below 1; inputs are malformed (see
            `fit.fit_missing`).
    """
    for name, number in (
        ("sample_size", sample_size),
        ("null_sets", null_sets),
        ("halves", halves),
    ):
        if number < 1:
            raise ValueError(f"{name} is {number}, but must be at least 1.")
    grains = {str(one["name"]): str(one["grain"]) for one in specifications}
    checked = set(conform(earlier_checks, SEGMENTATION_NOISE_CHECKS)["fit_id"])
    rows = []
    unchecked = fits[fits["segmentation"].isin(grains) & ~fits["fit_id"].isin(checked)]
    for fit_id, fit in unchecked.groupby("fit_id", sort=False):
        segmentation = str(fit["segmentation"].iloc[0])
        random = np.random.default_rng([random_seed, zlib.crc32(str(fit_id).encode())])
        # Threads cost fits as small as these more than they give.
        with threadpool_limits(1):
            check = _check_fit(
                fit,
                inputs,
                random,
                entities=f"{grains[segmentation].replace('_', ' ')}s",
                null_sets=null_sets,
                halves=halves,
                minimum_agreement=minimum_agreement,
                sample_size=sample_size,
            )
        if check is not None:
            rows.append(
                check
                | {
                    "fit_id": fit_id,
                    "segmentation": segmentation,
                    "minimum_agreement": minimum_agreement,
                    "random_seed": random_seed,
                }
            )
    return conform(pd.DataFrame(rows), SEGMENTATION_NOISE_CHECKS)


def stream(random_seed: int, *names: str) -> np.random.Generator:
    return np.random.default_rng([random_seed, *(zlib.crc32(name.encode()) for name in names)])


def _groups_by_segmentation(members: pd.DataFrame) -> list[tuple[str, _Groups]]:
    result = []
    for segmentation, rows in members.groupby("segmentation"):
        own = rows.sort_values("entity_id")
        ids = pd.Index(own["entity_id"])
        if not ids.is_unique:
            raise ValueError(
                f"Segmentation '{segmentation}' holds the entity "
                f"'{ids[ids.duplicated()][0]}' twice."
            )
        labels, codes = np.unique(own["segment_id"].to_numpy(), return_inverse=True)
        result.append((str(segmentation), _Groups(ids, codes.astype(np.int64), len(labels))))
    return result


def _outcomes_by_entity(
    outcomes: pd.DataFrame, names: Sequence[str], binary_outcomes: Collection[str]
) -> pd.DataFrame:
    ids = pd.Index(outcomes["entity_id"])
    if not ids.is_unique:
        raise ValueError(f"The outcomes hold the entity '{ids[ids.duplicated()][0]}' twice.")
    columns = {}
    for name in names:
        column = outcomes[name].to_numpy(dtype="float64", na_value=np.nan)
        columns[name] = np.where(np.isfinite(column), column, np.nan)
        if name in binary_outcomes and not np.isin(column[np.isfinite(column)], (0, 1)).all():
            raise ValueError(f"The binary outcome '{name}' holds values other than 0 and 1.")
    return pd.DataFrame(columns, index=ids)


def _effect(
    groups: _Groups,
    column: Floats,
    *,
    is_binary: bool,
    permutation_count: int,
    random: np.random.Generator,
    confidence_level: float,
) -> _Effect:
    is_present = ~np.isnan(column)
    values = column[is_present]
    present, codes = np.unique(groups.codes[is_present], return_inverse=True)
    group_count = len(present)
    undefined = _Effect(len(values), group_count, np.nan, np.nan, np.nan, np.empty(0), np.nan)
    if group_count < 2:
        return undefined
    mean, deviation, is_constant = mean_and_deviation(values)
    if is_constant:
        return undefined
    standardised = (values - mean) / deviation
    counts = np.bincount(codes, minlength=group_count)
    sums = _sums(codes, standardised, group_count)
    share = float(_explained_share(sums, counts))
    if is_binary:
        ones = random.multivariate_hypergeometric(
            counts, int(values.sum()), size=permutation_count, method="marginals"
        )
        permuted_sums = (ones - mean * counts) / deviation
    else:
        permuted_sums = np.empty((permutation_count, group_count))
        # The smallest type that holds the codes: a shuffle is bound by memory.
        shuffled = codes.astype(np.min_scalar_type(group_count))
        for place in range(permutation_count):
            random.shuffle(shuffled)
            permuted_sums[place] = _sums(shuffled, standardised, group_count)
    permuted = _explained_share(permuted_sums, counts)
    as_large = int((permuted >= share * (1 - TIE)).sum())
    low, high = _share_interval(standardised, codes, sums / counts, counts, confidence_level)
    p = (1 + as_large) / (1 + permutation_count)
    return _Effect(len(values), group_count, share, low, high, permuted, p)


def _sums(codes: npt.NDArray[np.integer], values: Floats, count: int) -> Floats:
    return np.bincount(codes, values, count).astype(np.float64, copy=False)


def _explained_share(sums: Floats, counts: Integers) -> Floats:
    """Return eta squared from sums of standardised values per group (last axis)."""
    explained: Floats = (sums**2 / counts).sum(axis=-1) / counts.sum()
    return np.clip(explained, 0, 1)


def _share_interval(
    values: Floats, codes: Integers, means: Floats, counts: Integers, confidence_level: float
) -> tuple[float, float]:
    """Return the interval of eta squared; NaN where nothing varies within the groups."""
    size, group_count = len(values), len(counts)
    share = float(_explained_share(means * counts, counts))
    if size <= group_count or share > 1 - TIE:
        return np.nan, np.nan
    odds = share / (1 - share)
    own_means = means[codes]
    influence = own_means * (2 * values - own_means) - share * values**2
    variance_of_odds = float((influence**2).mean()) / (size * (1 - share) ** 4)
    # 1 if the values are normal with one spread, the groups of fixed size and the effect small.
    inflation = size * variance_of_odds / (4 * odds) if odds > TIE else 1.0
    statistic = (size - group_count) * odds / inflation
    degrees, tail = group_count - 1, (1 - confidence_level) / 2
    noncentralities = chndtrinc(statistic, degrees, np.array([1 - tail, tail]))
    # Where there is no solution the solver returns the smallest number there is, not 0.
    bounds = np.where(noncentralities < TIE, 0, noncentralities)
    low, high = bounds * inflation / size
    return min(share, float(low / (1 + low))), max(share, float(high / (1 + high)))


def adjusted_p_values(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return Benjamini-Hochberg adjusted p-values; missing ones stay missing and do not count."""
    known = {name: p_value for name, p_value in p_values.items() if not math.isnan(p_value)}
    result = dict.fromkeys(p_values, np.nan)
    if known:
        adjusted = false_discovery_control(list(known.values()))
        result |= {name: float(value) for name, value in zip(known, adjusted, strict=True)}
    return result


def _cells(groups: _Groups, known: pd.DataFrame) -> _Cells | None:
    """Return the members that have impressions, in order of their id; None if there are none."""
    places = groups.entity_ids.get_indexer(pd.Index(known["entity_id"]))
    is_member = places >= 0
    if not is_member.any():
        return None
    numbers = known[is_member]
    channels, columns = np.unique(numbers["channel"].to_numpy(dtype=str), return_inverse=True)
    reached, rows = np.unique(places[is_member], return_inverse=True)
    shape = (len(reached), len(channels))
    flat = rows * len(channels) + columns
    clicks, impressions = (
        _sums(flat, numbers[column].to_numpy(dtype="float64"), math.prod(shape)).reshape(shape)
        for column in ("click_count", "impression_count")
    )
    _, segments = np.unique(groups.codes[reached], return_inverse=True)
    return _Cells(clicks, impressions, segments.astype(np.int64))


def _resampled(
    cells: _Cells, variances: Floats, resamples: int, random: np.random.Generator
) -> Floats:
    """Return the variances of COMPONENTS in resamples of customers, one row each."""
    count = len(cells.segments)
    drawn = np.sort(random.permutation(count)[:RESAMPLED_CUSTOMERS])
    some = _Cells(cells.clicks[drawn], cells.impressions[drawn], cells.segments[drawn])
    own_variances = _components(some, np.ones(len(drawn)))
    rows = np.empty((resamples, len(COMPONENTS)))
    for place in range(resamples):
        again = random.integers(len(drawn), size=len(drawn))
        weights = np.bincount(again, minlength=len(drawn)).astype(np.float64)
        rows[place] = _components(some, weights)
    # Deviations shrink with the root of the number of customers.
    return variances + (rows - own_variances) * math.sqrt(len(drawn) / count)


def _components(cells: _Cells, weights: Floats) -> Floats:
    """Return the four variances of COMPONENTS, each customer counted `weights` times."""
    clicks, impressions, segments = cells.clicks, cells.impressions, cells.segments
    own_impressions = impressions.sum(axis=1)
    shares = impressions / own_impressions[:, np.newaxis]
    weighted_impressions = weights @ impressions
    channel_weights = weighted_impressions / weighted_impressions.sum()

    # Channels, compared within customers: normal equations with the customers swept out.
    information = np.diag(weighted_impressions) - (weights[:, np.newaxis] * shares).T @ impressions
    channel_count = len(channel_weights)
    if channel_count < 2 or np.linalg.matrix_rank(information, hermitian=True) < channel_count - 1:
        return np.full(len(COMPONENTS), np.nan)
    inverse = np.linalg.pinv(information, hermitian=True)
    scores = weights @ clicks - (weights * clicks.sum(axis=1)) @ shares
    effects = inverse @ scores
    effects -= channel_weights @ effects

    # Segments, with the channels' effects taken off.
    adjusted = clicks.sum(axis=1) - impressions @ effects
    segment_impressions = np.bincount(segments, weights * own_impressions)
    is_drawn = segment_impressions > 0
    safe_impressions = np.where(is_drawn, segment_impressions, 1)
    rates = np.bincount(segments, weights * adjusted) / safe_impressions
    segment_weights = segment_impressions / segment_impressions.sum()
    rate_variances = (
        np.bincount(segments, weights * (adjusted - own_impressions * rates[segments]) ** 2)
        / safe_impressions**2
    )
    segment_variance = (
        segment_weights @ (rates - segment_weights @ rates) ** 2
        - (segment_weights * (1 - segment_weights)) @ rate_variances
    )

    expected_rates = rates[segments][:, np.newaxis] + effects
    departures = clicks - impressions * expected_rates
    own_departures = departures.sum(axis=1)

    channel_departures = departures - shares * own_departures[:, np.newaxis]
    centring = np.eye(channel_count) - channel_weights
    spread = channel_departures.T @ (weights[:, np.newaxis] * channel_departures)
    covariance = centring @ inverse @ spread @ inverse @ centring.T
    channel_variance = channel_weights @ (effects**2 - np.diag(covariance))

    # Pairs of impressions of one customer: in two channels, and in one.
    pairs = own_impressions**2 - (impressions**2).sum(axis=1)
    is_paired = pairs > 0
    between_channels = (own_departures**2 - (departures**2).sum(axis=1)) / np.where(
        is_paired, pairs, 1
    )
    pair_weights = np.where(is_paired, weights * own_impressions, 0)
    customer_variance = pair_weights @ between_channels / pair_weights.sum()

    has_pairs = (impressions > 1) & is_paired[:, np.newaxis]
    within_channel = (
        clicks * (clicks - 1) / np.where(has_pairs, impressions - 1, 1)
        - 2 * clicks * expected_rates
        + impressions * expected_rates**2
    )
    cell_impressions = weights @ np.where(has_pairs, impressions, 0).sum(axis=1)
    if cell_impressions == 0:
        return np.full(len(COMPONENTS), np.nan)
    cell_variance = weights @ np.where(has_pairs, within_channel, 0).sum(axis=1) / cell_impressions
    return np.array(
        [
            segment_variance,
            customer_variance,
            channel_variance,
            cell_variance - customer_variance,
        ]
    )


def _shares(variances: Floats) -> Floats:
    positive = np.clip(variances, 0, None)
    total = positive.sum()
    return positive / total if total > 0 else np.full(len(variances), np.nan)


def _share_bounds(
    variances: Floats, resampled: Floats, confidence_level: float
) -> tuple[Floats, Floats]:
    """Return intervals of the shares from variances of resamples, one row each.

    Negative variances stay negative here: cutting them off in every resample would move all
    shares away from 0 and 1.
    """
    missing = np.full(len(variances), np.nan)
    usable = resampled[~np.isnan(resampled).any(axis=1)]
    shares = _shares(variances)
    if np.isnan(shares).any() or not len(usable):
        return missing, missing
    tail = (1 - confidence_level) / 2
    totals = usable.sum(axis=1)
    if variances.sum() <= 0 or np.quantile(totals, tail) <= 0:
        return np.zeros(len(shares)), np.ones(len(shares))
    low, high = np.quantile(usable / totals[:, np.newaxis], [tail, 1 - tail], axis=0)
    return np.clip(np.minimum(low, shares), 0, 1), np.clip(np.maximum(high, shares), 0, 1)


def _share_difference(
    signs: Floats, variances: Floats, resampled: Floats, confidence_level: float
) -> _Difference:
    """Return the sum of the shares times `signs`, judged by the same resamples as the shares.

    Shares of one resample go together, so that the interval is shorter than what the ends of
    their own intervals add up to. The p is twice the share of resamples on the rarer side of 0,
    the data themselves counted among them (Davison and Hinkley 1997, 4.4); it is below
    1 - confidence_level only where the interval does not hold 0.
    """
    estimate = float(signs @ _shares(variances))
    usable = resampled[~np.isnan(resampled).any(axis=1)]
    if math.isnan(estimate) or not len(usable):
        return _Difference(estimate, np.nan, np.nan, np.nan)
    tail = (1 - confidence_level) / 2
    totals = usable.sum(axis=1)
    if variances.sum() <= 0 or np.quantile(totals, tail) <= 0:
        return _Difference(estimate, -1.0, 1.0, np.nan)
    drawn = usable @ signs / totals
    low, high = np.clip(np.quantile(drawn, [tail, 1 - tail]), -1, 1)
    rarer = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return _Difference(
        estimate,
        float(min(low, estimate)),
        float(max(high, estimate)),
        min(1.0, 2 * (1 + rarer) / (1 + len(drawn))),
    )


def _check_fit(
    fit: pd.DataFrame,
    inputs: pd.DataFrame,
    random: np.random.Generator,
    *,
    entities: str,
    null_sets: int,
    halves: int,
    minimum_agreement: float,
    sample_size: int,
) -> dict[str, object] | None:
    feature_count = fit["feature_position"].nunique()
    entity_ids, values = own_inputs(inputs, str(fit["segmentation"].iloc[0]), feature_count)
    if not entity_ids:
        return None
    is_sampled = random.permutation(len(values))[:sample_size]
    sample = standardised_by(fit, values[is_sampled])
    centres = centres_of(fit)
    k = len(centres)
    outcome = str(fit["outcome"].iloc[0])
    if outcome != FITTED or k < 2 or len(sample) < 2 * k:
        return {
            "sampled_count": len(sample),
            "null_set_count": 0,
            "half_count": 0,
            "no_structure_found": True,
            "reason": degenerate_reason(outcome, k, int(fit["requested_k"].iloc[0]), entities),
        } | dict.fromkeys(
            (
                "silhouette",
                "null_silhouette",
                "silhouette_beaten_share",
                "within_squares",
                "null_within_squares",
                "within_squares_beaten_share",
                "agreement",
            ),
            np.nan,
        )

    silhouette, within_squares = _tightness(sample, centres)
    nulls = np.array(
        [
            _tightness(shuffled, _fitted_centres(shuffled, k, random))
            for shuffled in (random.permuted(sample, axis=0) for _ in range(null_sets))
        ]
    )
    agreement = float(np.mean([_agreement(sample, k, random) for _ in range(halves)]))
    beaten_share = float((nulls[:, 0] < silhouette).mean())
    is_clearer = beaten_share > REQUIRED_BEATEN_SHARE
    return {
        "sampled_count": len(sample),
        "null_set_count": null_sets,
        "silhouette": silhouette,
        "null_silhouette": nulls[:, 0].mean(),
        "silhouette_beaten_share": beaten_share,
        "within_squares": within_squares,
        "null_within_squares": nulls[:, 1].mean(),
        "within_squares_beaten_share": (nulls[:, 1] > within_squares).mean(),
        "half_count": halves,
        "agreement": agreement,
        "no_structure_found": not is_clearer or agreement < minimum_agreement,
        "reason": _reason(
            round(beaten_share * null_sets),
            null_sets,
            agreement,
            minimum_agreement,
            entities,
        ),
    }


def nearest(values: Floats, centres: Floats) -> tuple[Integers, Floats]:
    """Return each row's nearest centre and its squared distance to it."""
    squares = np.stack([((values - centre) ** 2).sum(axis=1) for centre in centres], axis=1)
    return squares.argmin(axis=1), squares.min(axis=1)


def _fitted_centres(values: Floats, k: int, random: np.random.Generator) -> Floats:
    model = KMeans(
        n_clusters=k,
        n_init=NULL_START_COUNT,
        random_state=int(random.integers(2**31)),
        algorithm="lloyd",
    )
    with warnings.catch_warnings():
        # A sample can have fewer distinct rows than k; equal centres are one group then.
        warnings.simplefilter("ignore", ConvergenceWarning)
        centres: Floats = model.fit(values).cluster_centers_
    return centres


def _tightness(values: Floats, centres: Floats) -> tuple[float, float]:
    """Return silhouette (0 for a single group) and within-group sum of squares per row."""
    labels, squares = nearest(values, centres)
    some, some_labels = values[:SILHOUETTE_ROWS], labels[:SILHOUETTE_ROWS]
    is_defined = 1 < len(np.unique(some_labels)) < len(some)
    silhouette = float(silhouette_score(some, some_labels)) if is_defined else 0.0
    return silhouette, float(squares.mean())


def _agreement(values: Floats, k: int, random: np.random.Generator) -> float:
    order = random.permutation(len(values))
    first, second = (
        nearest(values, _fitted_centres(values[half], k, random))[0]
        for half in (order[: len(order) // 2], order[len(order) // 2 :])
    )
    return float(adjusted_rand_score(first, second))


def degenerate_reason(outcome: str, k: int, requested_k: int, entities: str) -> str:
    """Return a sentence on why k segments of `entities` (a plural) divide nothing."""
    if outcome == ALL_EQUAL:
        return f"All {entities} have the same features."
    if outcome == TOO_FEW_ENTITIES:
        return f"There are too few different {entities} for {requested_k} segments."
    if k < 2:
        return "A single segment divides nothing."
    return f"There are too few {entities} to tell {k} segments from chance."


def _reason(
    beaten_count: int,
    null_sets: int,
    agreement: float,
    minimum_agreement: float,
    entities: str,
) -> str:
    is_clearer = beaten_count > REQUIRED_BEATEN_SHARE * null_sets
    is_stable = agreement >= minimum_agreement
    if is_clearer:
        clarity = f"The groups are clearer than in {beaten_count} of {null_sets} shuffled data sets"
    else:
        clarity = (
            f"Data shuffled until nothing goes together forms groups as clear in "
            f"{null_sets - beaten_count} of {null_sets} tries"
        )
    stability = (
        f"random halves of the {entities} {'give' if is_stable else 'do not give'} the same groups "
        f"(agreement {_two_decimals(agreement, minimum_agreement)} on a scale where 1 is complete; "
        f"at least {minimum_agreement:g} is asked for)"
    )
    return f"{clarity}{', and' if is_clearer == is_stable else ', but'} {stability}."


def _two_decimals(agreement: float, minimum_agreement: float) -> str:
    """Return the agreement rounded towards its side of the minimum: 0.599 is not 0.60."""
    rounded = round(agreement, 2)
    if rounded >= minimum_agreement > agreement:
        rounded = math.floor(100 * agreement) / 100
    elif rounded < minimum_agreement <= agreement:
        rounded = math.ceil(100 * agreement) / 100
    return f"{rounded:.2f}"
