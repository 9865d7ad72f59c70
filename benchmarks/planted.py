"""The planted truth: every constant that the generated data is drawn from.

Vectors over groups have shape (4,) in the order of ``GROUPS``. Money is in the warehouse's one
currency, rates are 0 to 1, yearly figures are per 365 days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

# Any seed gives the same truth; this one was taken because no figure in it is a rare accident (with
# another, one fair holdout came out at 23.6 instead of 20 %, which would look like a broken split).
DEFAULT_SEED = 20260106
DEMO_CUSTOMERS = 4_000
# The yearly rates below give about these means, so options scale relative to them.
BASE_TRANSACTIONS = 12.6
BASE_ENGAGEMENTS = 8.0


def day_number(text: str) -> int:
    """Days from 1970-01-01 to an ISO date."""
    return (date.fromisoformat(text) - date(1970, 1, 1)).days


START = day_number("2025-01-01")
AS_OF = day_number("2026-06-30")
# First day of the trailing 365 days that the behaviour features cover.
RECENT = AS_OF - 364

GROUPS = (
    "High-Value Power Users",
    "Value-Driven Frequent Users",
    "Affluent Inactives",
    "Budget-Conscious Occasionals",
)
SHARES: Floats = np.array([0.22, 0.28, 0.20, 0.30])

# --- customers -------------------------------------------------------------------------------
INCOME_LOG: Floats = np.array([8.87, 7.88, 8.80, 7.62])
INCOME_SIGMA = 0.28
BALANCE_LOG: Floats = np.array([9.50, 8.10, 9.80, 7.45])
BALANCE_SIGMA = 0.55
# Rare, because asinh puts a small debt far from a small balance and outliers attract centres.
OVERDRAWN_SHARE = 0.002
LOYALTY_MEAN: Floats = np.array([69.0, 63.0, 41.0, 36.0])
LOYALTY_SIGMA = 7.8
CONSENT_SHARE = 0.88
MINOR_SHARE = 0.01
JOINED_INSIDE_SHARE = 0.07
SEVERAL_VERSIONS_SHARE = 0.05
CHURN_RATE: Floats = np.array([0.02, 0.03, 0.06, 0.07])
CLOSES_AT_CHURN = 0.5

GENDERS = ("female", "male", "other")
GENDER_SHARES = (0.50, 0.48, 0.02)
MARITAL = ("married", "single", "divorced", "widowed")
MARITAL_SHARES = (0.50, 0.34, 0.12, 0.04)
EDUCATION = ("primary", "secondary", "tertiary")
EDUCATION_SHARES = (0.15, 0.50, 0.35)
JOBS = ("clerk", "technician", "manager", "services", "retired", "student", "self-employed")
JOB_SHARES = (0.22, 0.20, 0.15, 0.18, 0.11, 0.05, 0.09)
REGIONS = ("north", "south", "east", "west")
REGION_SHARES = (0.30, 0.30, 0.20, 0.20)
BRANCHES = ("harbour", "market", "station", "hill")
LANGUAGES = ("en", "de", "fr")

# --- transactions ----------------------------------------------------------------------------
TYPES = ("deposit", "withdrawal", "payment", "transfer")
# Events a year, [type, group].
TYPE_RATE: Floats = np.array(
    [
        [2.0, 1.7, 1.9, 0.9],
        [4.2, 2.0, 1.0, 0.9],
        [6.3, 7.3, 0.9, 1.0],
        [1.6, 1.5, 0.5, 0.3],
    ]
)
# Log of a typical single amount, [type, group].
AMOUNT_LOG: Floats = np.array(
    [
        [7.95, 7.10, 9.00, 6.45],
        [8.20, 6.95, 7.05, 6.20],
        [4.70, 3.80, 4.50, 3.40],
        [5.90, 5.00, 6.30, 4.60],
    ]
)
AMOUNT_SIGMA = 0.42
CUSTOMER_AMOUNT_SIGMA = 0.22
LARGE_SHARE = 0.02
LARGE_FACTOR = 4.0
ACTIVITY_SIGMA = 0.20
# Customers without a single deposit or withdrawal. A zero is far from everything on a log scale,
# so this share stays small.
DORMANT_SHARE = 0.006
CATEGORIES = (
    ("salary", "cash", "refund"),
    ("atm", "branch"),
    ("groceries", "utilities", "transport", "dining", "health", "travel", "online"),
    ("internal", "external"),
)

# --- digital sessions ------------------------------------------------------------------------
TOUCHPOINTS = ("mobile_app", "online_banking")
SESSION_ROWS: Floats = np.array([7.8, 8.4, 2.5, 3.0])
SESSION_EXTRA: Floats = np.array([1.6, 1.7, 0.6, 0.8])
MOBILE_SHARE: Floats = np.array([0.60, 0.70, 0.45, 0.60])
DIGITAL_SIGMA = 0.25

# --- products --------------------------------------------------------------------------------
PRODUCTS = (
    "credit_card",
    "housing_loan",
    "personal_loan",
    "savings",
    "internet_banking",
    "insurance",
    "investment",
)
# Holders as of the last day, before late joiners and churn, [product, group].
OWNERSHIP: Floats = np.array(
    [
        [0.74, 0.50, 0.45, 0.24],
        [0.46, 0.16, 0.38, 0.10],
        [0.38, 0.24, 0.10, 0.14],
        [0.85, 0.65, 0.85, 0.45],
        [0.88, 0.80, 0.35, 0.35],
        [0.40, 0.30, 0.35, 0.20],
        [0.66, 0.12, 0.55, 0.06],
    ]
)
# Bought in the trailing 365 days without any campaign, [product, group]. Insurance is the same
# for everyone: the outcome that no segmentation may claim to explain.
PURCHASE: Floats = np.array(
    [
        [0.12, 0.10, 0.05, 0.06],
        [0.03, 0.02, 0.03, 0.01],
        [0.04, 0.07, 0.01, 0.05],
        [0.08, 0.07, 0.10, 0.05],
        [0.06, 0.10, 0.03, 0.05],
        [0.06, 0.06, 0.06, 0.06],
        [0.10, 0.03, 0.09, 0.01],
    ]
)
PAST_HOLDING_SHARE = 0.12

# --- campaigns and engagement ----------------------------------------------------------------
CHANNELS = ("email", "facebook", "instagram", "twitter")
CHANNEL_COST_CENTS: Ints = np.array([1, 4, 5, 3])
GROUP_CTR: Floats = np.array([0.030, 0.055, 0.015, 0.090])
CHANNEL_FACTOR: Floats = np.array([1.25, 1.0, 0.8])
TWITTER_CTR = 0.040
# Expected clicks per impression, [group, channel]; twitter is the planted null.
CTR: Floats = np.column_stack([GROUP_CTR[:, None] * CHANNEL_FACTOR, np.full(4, TWITTER_CTR)])
# A customer's taste for clicking: a gamma factor of this shape over all channels, mean one, and a
# beta distribution for each channel around it.
CTR_TASTE_SHAPE = 2.0
CTR_CONCENTRATION = 25.0
# Customers' own CTR within a group: times exp(-0.25 z_income + 0.20 z_digital), mean one.
CTR_INCOME_EFFECT = -0.25
CTR_DIGITAL_EFFECT = 0.20
OPEN_RATE: Floats = np.array([0.30, 0.38, 0.22, 0.42])
ASSIGN_SHARE = 0.50
ASSIGN_WITHOUT_CONSENT = 0.02
REACH = 0.93
EXTRA_ROWS = 0.75
IMPRESSIONS_EXTRA = 1.8
CONVERSIONS_PER_CLICK = 0.12
VIEW_CONVERSIONS = 0.002
OUTCOME_DAYS = 30


@dataclass(frozen=True)
class Campaign:
    """One campaign; ``lift`` is the rise in the share of *reached* customers who open the
    advertised product between their first contact and ``OUTCOME_DAYS`` after the end, by group."""

    name: str
    objective: str
    product: int
    starts: int
    ends: int
    budget_cents: int
    holdout: float | None
    channels: tuple[int, ...]
    lift: tuple[float, float, float, float]


_NONE = (0.0, 0.0, 0.0, 0.0)
_ALL = (0, 1, 2, 3)


def _campaign(
    name: str,
    objective: str,
    product: str,
    window: tuple[str, str],
    budget: int,
    holdout: float | None,
    channels: tuple[int, ...],
    lift: tuple[float, float, float, float] = _NONE,
) -> Campaign:
    """A campaign from readable values: ISO dates, budget in whole units of money."""
    first, last = (day_number(text) for text in window)
    return Campaign(
        name, objective, PRODUCTS.index(product), first, last, budget * 100, holdout, channels, lift
    )


# The windows cover every day, so that the last days carry as many events as any other.
CAMPAIGNS = (
    _campaign("New year cards", "awareness", "credit_card", ("2025-01-01", "2025-02-16"),
              9000, None, _ALL),
    _campaign("Spring savings", "conversion", "savings", ("2025-02-12", "2025-03-31"),
              12000, 0.2, _ALL, (0.03, 0.06, 0.04, 0.08)),
    _campaign("Safe home", "consideration", "insurance", ("2025-03-27", "2025-05-14"),
              8000, 0.2, _ALL),
    _campaign("Quick loan", "conversion", "personal_loan", ("2025-05-10", "2025-06-25"),
              7500, None, (0, 1, 2)),
    _campaign("Summer card", "conversion", "credit_card", ("2025-06-20", "2025-08-08"),
              15000, 0.2, _ALL, (0.10, 0.07, 0.03, 0.04)),
    _campaign("First fund", "consideration", "investment", ("2025-08-04", "2025-09-20"),
              11000, 0.2, _ALL, (0.06, 0.0, 0.08, 0.0)),
    _campaign("Bank from anywhere", "awareness", "internet_banking", ("2025-09-16", "2025-11-02"),
              6000, None, (1, 2, 3)),
    _campaign("Own four walls", "consideration", "housing_loan", ("2025-10-29", "2025-12-15"),
              14000, 0.2, _ALL),
    _campaign("Winter savings", "awareness", "savings", ("2025-12-10", "2026-01-26"),
              8500, None, _ALL),
    _campaign("Card for every day", "conversion", "credit_card", ("2026-01-22", "2026-03-10"),
              13000, 0.2, _ALL, (0.0, 0.08, 0.0, 0.08)),
    _campaign("Covered abroad", "awareness", "insurance", ("2026-03-06", "2026-04-30"),
              7000, None, (0, 2, 3)),
    _campaign("App in your pocket", "conversion", "internet_banking", ("2026-04-26", "2026-06-30"),
              10000, None, _ALL),
)  # fmt: skip

# --- card accounts ---------------------------------------------------------------------------
CARD_ACCOUNT_SHARE = 0.90
CARD_GROUPS = (
    "VIP",
    "High Risk",
    "Low Activity",
    "One-off Buyers",
    "Instalment Buyers",
    "Revolvers",
)
# Share of each card group among the card holders of each customer group, [group, card group].
CARD_SHARES: Floats = np.array(
    [
        [0.35, 0.10, 0.07, 0.20, 0.14, 0.14],
        [0.06, 0.20, 0.14, 0.16, 0.28, 0.16],
        [0.25, 0.08, 0.35, 0.16, 0.08, 0.08],
        [0.03, 0.28, 0.28, 0.12, 0.15, 0.14],
    ]
)


@dataclass(frozen=True)
class CardGroup:
    """Typical (log) amounts of a card group, and shares of accounts that have them at all."""

    balance: float
    limit: float
    oneoff: float
    oneoff_share: float
    instalments: float
    instalments_share: float
    cash: float
    cash_share: float
    payments: float
    full_payment: float
    activity: float


CARD_LEVELS = (
    CardGroup(6.0, 9.15, 7.3, 0.93, 6.6, 0.85, 5.0, 0.04, 7.7, 0.80, 0.80),
    CardGroup(7.9, 8.25, 4.2, 0.12, 4.0, 0.10, 7.9, 0.97, 7.2, 0.01, 0.30),
    CardGroup(3.6, 7.55, 3.9, 0.45, 3.8, 0.30, 5.0, 0.06, 5.2, 0.08, 0.15),
    CardGroup(6.7, 8.10, 6.5, 0.98, 3.8, 0.06, 5.5, 0.08, 6.5, 0.10, 0.35),
    CardGroup(4.3, 7.75, 3.8, 0.06, 6.1, 0.99, 5.0, 0.04, 6.2, 0.35, 0.85),
    CardGroup(7.8, 8.35, 6.0, 0.85, 6.0, 0.88, 7.1, 0.90, 7.2, 0.01, 0.65),
)


def caused_share(product: int) -> Floats:
    """Expected share of each group's customers who open ``product`` because of campaigns.

    Shape (4,); approximate, for setting the share of older holdings.
    """
    kept = np.ones(4)
    for campaign in CAMPAIGNS:
        if campaign.product == product and campaign.holdout is not None:
            reached = ASSIGN_SHARE * CONSENT_SHARE * (1 - campaign.holdout) * REACH
            kept *= 1 - reached * np.array(campaign.lift)
    return 1 - kept


def older_holding_share(product: int) -> Floats:
    """Share of customers without a purchase in the data who hold ``product`` from before it.

    Shape (4,); chosen so that the total of holders is ``OWNERSHIP``.
    """
    earlier = PURCHASE[product] * (RECENT - START) / 365
    without = (1 - PURCHASE[product]) * (1 - earlier) * (1 - caused_share(product))
    share: Floats = np.clip(1 - (1 - OWNERSHIP[product]) / without, 0.0, 1.0)
    return share
