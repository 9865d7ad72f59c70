"""Rates and intervals of the marts' small tables, from sums over customers.

The same few hundred rows for every contestant, so that this is no part of what is compared. The
formulas are those of macros/metrics/.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.common import Floats

Z = 1.959963984540054
Columns = Mapping[str, NDArray[Any]]


def engagement(sums: Columns) -> dict[str, NDArray[Any]]:
    """The engagement marts' columns besides their keys."""
    customers = sums["reached_customer_count"]
    result = {**sums}
    result |= ratio_interval(
        "ctr", sums, customers, "click_count", "impression_count", "clicks", "impressions", 1
    )
    result |= mean_interval(
        "mean_customer_ctr", sums, customers, "customer_ctr_sum", "customer_ctr", 1
    )
    result |= ratio_interval(
        "open_rate",
        sums,
        sums["openable_customer_count"],
        "open_count",
        "openable_impression_count",
        "opens",
        "openable_impressions",
        1,
    )
    return result | proportion("conversion_rate", sums["converted_customer_count"], customers)


def ownership(sums: Columns) -> dict[str, NDArray[Any]]:
    """Who holds, and who bought in the window."""
    customers = sums["customer_count"]
    return {
        **sums,
        **proportion("ownership_rate", sums["holder_count"], customers),
        **proportion("purchase_rate", sums["buyer_count"], customers),
    }


def transactions(sums: Columns) -> dict[str, NDArray[Any]]:
    """The transaction marts' columns besides their keys."""
    customers, active = sums["customer_count"], sums["active_customer_count"]
    result = {**sums}
    result |= mean_interval(
        "transactions_per_customer", sums, customers, "transaction_count", "counts"
    )
    for name, n in (("customer", customers), ("active_customer", active)):
        result |= mean_interval(f"amount_per_{name}", sums, n, "total_amount", "amounts")
        result[f"amount_per_{name}_cv"] = variation(
            n, sums["total_amount"], sums["amounts_squared"]
        )
    result |= ratio_interval(
        "amount_per_transaction",
        sums,
        customers,
        "total_amount",
        "transaction_count",
        "amounts",
        "counts",
    )
    result["amount_per_transaction_cv"] = variation(
        sums["transaction_count"], sums["total_amount"], sums["transaction_amounts_squared"]
    )
    return result


def usage(sums: Columns) -> dict[str, NDArray[Any]]:
    """Columns of segment_digital_usage besides its keys."""
    customers = sums["customer_count"]
    return {
        **sums,
        **proportion("usage_rate", sums["user_count"], customers),
        **mean_interval("sessions_per_customer", sums, customers, "session_count", "sessions"),
        **mean_interval("minutes_per_customer", sums, customers, "minutes", "minutes"),
    }


def profiles(sums: Columns) -> dict[str, NDArray[Any]]:
    """Columns of segment_profiles besides its keys."""
    interval = mean_interval("mean_value", sums, sums["value_count"], "value_sum", "values")
    away = interval["mean_value"] - sums["population_mean"]
    return {
        **sums,
        **interval,
        "standardised_difference": divided(away, sums["population_deviation"]),
    }


def divided(numerator: Any, denominator: Any) -> Floats:
    """A ratio; NaN where the denominator is zero."""
    below = np.asarray(denominator, dtype=np.float64)
    result: Floats = np.asarray(numerator, dtype=np.float64) / np.where(below == 0, np.nan, below)
    return result


def proportion(name: str, successes: Any, n: Any) -> dict[str, NDArray[Any]]:
    """A share with Wilson's score interval."""
    share = divided(successes, n)
    n = np.asarray(n, dtype=np.float64)
    centre = share + divided(Z * Z, 2 * n)
    spread = Z * np.sqrt(divided(share * (1 - share), n) + divided(Z * Z, 4 * n * n))
    whole = 1 + divided(Z * Z, n)
    low = np.where((np.asarray(successes) == 0) & (n > 0), 0.0, (centre - spread) / whole)
    high = np.where((np.asarray(successes) == n) & (n > 0), 1.0, (centre + spread) / whole)
    return {name: share, f"{name}_low": low, f"{name}_high": high}


def mean_interval(
    name: str, sums: Columns, n: Any, total: str, stem: str, maximum: float = np.inf
) -> dict[str, NDArray[Any]]:
    """A mean with its interval, the skewness removed (Hall, 1992); sums named by `stem`."""
    x, xx, xxx = (np.asarray(sums[c], float) for c in (total, f"{stem}_squared", f"{stem}_cubed"))
    n = np.asarray(n, dtype=np.float64)
    mean = divided(x, n)
    error = np.sqrt(divided(divided(np.maximum(xx - divided(x * x, n), 0), n - 1), n))
    cumulant = divided(xxx - 3 * mean * xx + 2 * n * mean**3, n**3)
    return skewed(name, mean, error, cumulant, np.zeros_like(mean), maximum)


def ratio_interval(
    name: str,
    sums: Columns,
    customers: Any,
    over: str,
    under: str,
    y_stem: str,
    x_stem: str,
    maximum: float = np.inf,
) -> dict[str, NDArray[Any]]:
    """A ratio of sums over customers by the delta method, the skewness removed."""
    y, x, yy, xx, xy, yyy, yyx, yxx, xxx = (
        np.asarray(sums[column], dtype=np.float64)
        for column in (
            over,
            under,
            f"{y_stem}_squared",
            f"{x_stem}_squared",
            f"{y_stem}_times_{x_stem}",
            f"{y_stem}_cubed",
            f"{y_stem}_squared_times_{x_stem}",
            f"{y_stem}_times_{x_stem}_squared",
            f"{x_stem}_cubed",
        )
    )
    n = np.asarray(customers, dtype=np.float64)
    ratio = divided(y, x)
    squares = yy - 2 * ratio * xy + ratio**2 * xx
    error = divided(np.sqrt(divided(n, n - 1) * np.maximum(squares, 0)), x)
    cumulant = divided(yyy - 3 * ratio * yyx + 3 * ratio**2 * yxx - ratio**3 * xxx, x**3)
    covariance = divided(squares * (xy - ratio * xx), x**4)
    return skewed(name, ratio, error, cumulant, covariance, maximum)


def skewed(
    name: str,
    estimate: Floats,
    error: Floats,
    cumulant: Floats,
    covariance: Floats,
    maximum: float,
) -> dict[str, NDArray[Any]]:
    """The interval from 0 to `maximum` of a skewed estimate."""
    bend = _within_one(divided(cumulant / 3 - covariance, error**3))
    shift = _within_one(divided(cumulant, 6 * error**3))

    def end(z: float) -> Floats:
        quantile = z - shift
        root = np.cbrt(1 + 3 * bend * quantile)
        result: Floats = estimate - error * 3 * quantile / ((root + 0.5) ** 2 + 0.75)
        return result

    low, high = np.maximum(end(Z), 0), np.minimum(end(-Z), maximum)
    return {name: estimate, f"{name}_low": low, f"{name}_high": high}


def variation(n: Any, x: Any, xx: Any) -> Floats:
    """Sample standard deviation over the mean."""
    n, x = np.asarray(n, dtype=np.float64), np.asarray(x, dtype=np.float64)
    variance = divided(np.maximum(np.asarray(xx, float) - divided(x * x, n), 0), n - 1)
    return divided(np.sqrt(variance), divided(x, n))


def _within_one(values: Floats) -> Floats:
    return np.clip(np.nan_to_num(values, nan=0.0), -1.0, 1.0)
