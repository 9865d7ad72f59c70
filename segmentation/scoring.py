"""Scores one customer by an exported fit: plain Python, without database, frames or numpy.

`make publish` writes the fits (`published/fits/<segmentation>.json`). Distances are summed in the
order of macros/segment_assignment.sql, so that the answer is that of segment_members.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from pathlib import Path
from typing import Any

FIT_FORMAT = 1
DECIDING_COUNT = 3

# Squared distances this close are a tie (segment_assignment.sql).
TIE = 1 + 2e-9

# The end of a change is found to this share of it (in standard deviations), then rounded by at most
# that one (in natural units).
BORDER_SHARE = 0.00002
ROUNDING_SHARE = 0.004
LONGEST_NAME = 60

# As SQL writes them: ln(1 + x) differs from log1p in the last bits. None where not defined.
TRANSFORMS: Mapping[str, Callable[[float], float | None]] = {
    "none": lambda value: value,
    "log1p": lambda value: math.log(1 + value) if value > -1 else None,
    "sqrt": lambda value: math.sqrt(value) if value >= 0 else None,
    "asinh": math.asinh,
}
INVERSES: Mapping[str, Callable[[float], float]] = {
    "none": lambda value: value,
    "log1p": math.expm1,
    "sqrt": lambda value: value * value,
    "asinh": math.sinh,
}


class ScoreError(ValueError):
    """One sentence that says what is wrong with a customer or a fit."""


@dataclass(frozen=True)
class Feature:
    """How one feature becomes a number in standard deviations from the mean.

    `fill_value`, `shift` and `scale` are in transformed units, as in `frames.FITS`; `values` maps
    lower-case texts to numbers where the feature is one of a few. A change of it may end between
    `lowest_value` and `highest_value` (natural units, None for no limit), on whole numbers if
    `is_whole`, and nowhere unless `is_changeable`.
    """

    name: str
    transform: str
    missing_rule: str
    fill_value: float
    shift: float
    scale: float
    values: Mapping[str, float] | None
    is_changeable: bool
    is_whole: bool
    lowest_value: float | None
    highest_value: float | None

    @property
    def label(self) -> str:
        """The name in plain words."""
        return self.name.replace(":", " ").replace("_", " ")

    @property
    def is_holding(self) -> bool:
        """Whether it says that a product is held: 1 or 0, never missing."""
        return self.name.startswith("holds:")

    def transformed(self, value: float) -> float | None:
        """The value in transformed units; None where the transform is not defined."""
        found = TRANSFORMS[self.transform](value)
        return found if found is not None and math.isfinite(found) else None

    def standardised(self, value: float | None) -> float:
        """The value in standard deviations from the mean; of the fill value where there is none."""
        found = None if value is None else self.transformed(value)
        return ((self.fill_value if found is None else found) - self.shift) / self.scale

    def natural(self, standardised: float) -> float | None:
        """The value that is so many standard deviations from the mean; None if there is none."""
        transformed = self.shift + self.scale * standardised
        if self.transform == "sqrt" and transformed < 0:
            return None
        try:
            return INVERSES[self.transform](transformed)
        except OverflowError:
            return None

    def allows(self, value: float, now: float) -> bool:
        """Whether a change from `now` may end at this value."""
        lowest = -math.inf if self.lowest_value is None else min(self.lowest_value, now)
        highest = math.inf if self.highest_value is None else max(self.highest_value, now)
        return math.isfinite(value) and lowest <= value <= highest

    def options(self) -> Sequence[float] | None:
        """The only values it can have; None for a feature on a continuous or whole-number scale."""
        if self.values is not None:
            return sorted(set(self.values.values()))
        return (0.0, 1.0) if self.is_holding else None

    def shown(self, value: float) -> float | str:
        """A natural value as a customer's record has it: a text where the feature is one."""
        if self.values is not None:
            return next(text for text, number in self.values.items() if number == value)
        return int(value) if value.is_integer() and abs(value) < 2**53 else value


@dataclass(frozen=True)
class Segment:
    """A segment; `centre` holds one number a feature, in standard deviations from the mean."""

    segment_id: int
    segment_name: str
    centre: Sequence[float]


@dataclass(frozen=True)
class Fit:
    """A fit as `make publish` exports it; `segments` are ordered by id, `as_of_on` is ISO text.

    `grain_key` is the key of what is grouped (customer_id); a record may have it, for its answer.
    """

    segmentation: str
    grain: str
    grain_key: str
    fit_id: str
    as_of_on: str
    project_version: str
    features: Sequence[Feature]
    segments: Sequence[Segment]

    @property
    def feature_names(self) -> list[str]:
        """The names of the features, in the order of the specification."""
        return [feature.name for feature in self.features]


def load_fit(path: Path | str) -> Fit:
    """Read an exported fit.

    Raises:
        ScoreError: the file cannot be read, or is no fit of this version of the project.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content.pop("format") != FIT_FORMAT:
            raise ValueError
        features = [Feature(**feature) for feature in content.pop("features")]
        segments = [Segment(**segment) for segment in content.pop("segments")]
        fit = Fit(features=features, segments=segments, **content)
        if not segments or any(len(one.centre) != len(features) for one in segments):
            raise ValueError
    except OSError as error:
        raise ScoreError(f"{path} cannot be read; run `make publish`.") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ScoreError(
            f"{path} is no fit of this version of the project; run `make publish` again."
        ) from error
    return fit


def score(customer: Mapping[str, Any], fit: Fit) -> dict[str, Any]:
    """Say which segment a customer is in, what decides it, and what would change it.

    The nearest centre decides (Lloyd 1982); centres closer than 1e-9 of the distance are a tie,
    which the lowest segment id takes. Along one feature a segment is an interval, the border with
    each other segment being linear in standardised units; the smallest change is the shortest way
    out of it over all features that can change.

    Args:
        customer: feature to value in its natural unit: a number; a text where the specification
            maps texts to numbers; true or false for `holds:`. A feature that is left out or None
            is missing and counts as its fill value, a product that is left out as not held; a
            text that the specification does not map is missing, as it is in SQL. The fit's
            `grain_key` may be there.
        fit: as `load_fit` returns it.

    Returns:
        What a line of JSON can hold:
        - the `grain_key`, where the customer has one; segmentation, fit_id, segment_id,
          segment_name; second_segment_id and second_segment_name, the next nearest.
        - assignment_margin: (second distance - distance) / second distance, as in
          segment_members; None with a single segment.
        - deciding_features: at most three of {feature, value, contribution, words}, the largest
          first: how much more the feature adds to the squared distance (standard deviations) from
          the second segment than from the own; none that speaks against the own.
        - smallest_change: {feature, from, to, standard_deviations, to_segment_id,
          to_segment_name, words}, from and to in the customer's terms; None with the reason in
          no_change_reason. `to` is just across the border, rounded by at most a hundredth of
          the change. Only known features change; none made from protected columns does; none
          leaves the range that the exported fit names.
        - filled_features: those that counted as their fill value.

    Raises:
        ScoreError: the customer is no mapping, has an unknown key, or a value that is no finite
            number where one is needed.
    """
    known = _read(customer, fit)
    point = [
        feature.standardised(value) for feature, value in zip(fit.features, known, strict=True)
    ]
    squares = _squares(point, fit)
    if not all(map(math.isfinite, squares)):
        farthest = max(range(len(point)), key=lambda place: abs(point[place]))
        raise ScoreError(f"{fit.features[farthest].name} is too large to be compared with anybody.")
    own = _nearest(squares)
    others = [place for place in range(len(squares)) if place != own]
    second = min(others, key=squares.__getitem__, default=None)
    change, reason = _smallest_change(known, point, squares, own, fit)
    answer = {fit.grain_key: customer[fit.grain_key]} if fit.grain_key in customer else {}
    return answer | {
        "segmentation": fit.segmentation,
        "fit_id": fit.fit_id,
        "segment_id": fit.segments[own].segment_id,
        "segment_name": fit.segments[own].segment_name,
        "second_segment_id": None if second is None else fit.segments[second].segment_id,
        "second_segment_name": None if second is None else fit.segments[second].segment_name,
        "assignment_margin": None if second is None else _margin(squares[own], squares[second]),
        "deciding_features": [] if second is None else _deciding(known, point, own, second, fit),
        "smallest_change": change,
        "no_change_reason": reason,
        "filled_features": [
            feature.name
            for feature, value in zip(fit.features, known, strict=True)
            if value is None
        ],
    }


# --- the customer as numbers ---


def _read(customer: Mapping[str, Any], fit: Fit) -> list[float | None]:
    """Each feature in its natural unit; None where it counts as its fill value."""
    if not isinstance(customer, Mapping):
        raise ScoreError(
            'A customer is a mapping of feature to value, such as {"monthly_income": 2500}.'
        )
    for key in customer:
        if key not in fit.feature_names and key != fit.grain_key:
            raise ScoreError(
                f"There is no feature {short(key)} in the segmentation {fit.segmentation}; there "
                f"are {', '.join(fit.feature_names)}."
            )
    values = [_value(feature, customer.get(feature.name)) for feature in fit.features]
    return [
        None if value is None or feature.transformed(value) is None else value
        for feature, value in zip(fit.features, values, strict=True)
    ]


def _value(feature: Feature, given: Any) -> float | None:
    if given is None:
        return 0.0 if feature.is_holding else None
    if feature.values is not None:
        if isinstance(given, bool) or not isinstance(given, str | int):
            raise ScoreError(
                f"{feature.name} is neither text nor whole; it is one of "
                f"{', '.join(feature.values)}."
            )
        return feature.values.get(str(given).lower())
    if feature.is_holding:
        if given not in (0, 1):
            raise ScoreError(f"{feature.name} is neither true nor false.")
        return float(given)
    if isinstance(given, bool) or not isinstance(given, Real | Decimal):
        kind = "text" if isinstance(given, str) else "no number"
        raise ScoreError(f"{feature.name} is {kind}; it needs a number.")
    try:
        value = float(given)
    except (OverflowError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise ScoreError(f"{feature.name} is not a finite number; leave it out if it is missing.")
    return value


def short(name: object) -> str:
    """A name somebody typed, on one line and no longer than a sentence bears."""
    text = " ".join(str(name).split())
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}..."


# --- the nearest centre ---


def _squares(point: Sequence[float], fit: Fit) -> list[float]:
    """The squared distance from each segment's centre, summed from the first feature on."""
    squares = []
    for segment in fit.segments:
        square = 0.0
        for value, centre in zip(point, segment.centre, strict=True):
            square += (value - centre) * (value - centre)
        squares.append(square)
    return squares


def _nearest(squares: Sequence[float]) -> int:
    """The first segment that is as near as the nearest, but for a tie."""
    farthest = min(squares) * TIE
    return next(place for place, square in enumerate(squares) if square <= farthest)


def _margin(own: float, second: float) -> float | None:
    distance, second_distance = math.sqrt(own), math.sqrt(second)
    return (second_distance - distance) / second_distance if second_distance else None


def _deciding(
    known: Sequence[float | None], point: Sequence[float], own: int, second: int, fit: Fit
) -> list[dict[str, Any]]:
    one, other = fit.segments[own], fit.segments[second]
    contributions = [
        (value - far) * (value - far) - (value - near) * (value - near)
        for value, near, far in zip(point, one.centre, other.centre, strict=True)
    ]
    order = sorted(range(len(point)), key=lambda place: -contributions[place])
    found = []
    for place in order[:DECIDING_COUNT]:
        feature, value = fit.features[place], known[place]
        if contributions[place] <= 0:
            break
        if value is None:
            filled = INVERSES[feature.transform](feature.fill_value)
            what = f"is not known and counts as {filled:,.6g},"
        else:
            what = f"{_in_words(feature.shown(value))} is"
        found.append(
            {
                "feature": feature.name,
                "value": None if value is None else feature.shown(value),
                "contribution": contributions[place],
                "words": (
                    f"{feature.label} {what} {_from_the_mean(point[place])}; "
                    f"{one.segment_name}: {_from_the_mean(one.centre[place])}, "
                    f"{other.segment_name}: {_from_the_mean(other.centre[place])}"
                ),
            }
        )
    return found


def _from_the_mean(deviations: float) -> str:
    if abs(deviations) < 0.05:
        return "at the mean"
    side = "above" if deviations > 0 else "below"
    return f"{abs(deviations):.1f} standard deviations {side} the mean"


def _in_words(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"


# --- the smallest change ---


def _smallest_change(
    known: Sequence[float | None],
    point: Sequence[float],
    squares: Sequence[float],
    own: int,
    fit: Fit,
) -> tuple[dict[str, Any] | None, str | None]:
    """The change as `score` returns it, and the reason where there is none."""
    if len(squares) == 1:
        return None, "There is only one segment."
    able = [
        place
        for place, feature in enumerate(fit.features)
        if feature.is_changeable and known[place] is not None
    ]
    if not able:
        return None, "Nothing that can change is known of it."
    # The least each way can cost, so that costlier ways need no search.
    ways: list[tuple[float, int, float]] = []
    for place in able:
        if (options := fit.features[place].options()) is not None:
            found = (fit.features[place].standardised(value) for value in options)
            ways += [
                (abs(value - point[place]), place, option)
                for option, value in zip(options, found, strict=True)
            ]
        else:
            for border in _borders(place, squares, own, fit):
                ways.append((abs(border), place, border))
    best: tuple[float, int, float] | None = None
    for least, place, way in sorted(ways):
        if best is not None and least >= best[0]:
            break
        walk = _Walk(fit, point, place, own, known[place] or 0.0)
        end = way if fit.features[place].options() is not None else walk.end(way)
        if end is None or not walk.leaves(end):
            continue
        cost = abs(fit.features[place].standardised(end) - point[place])
        if best is None or cost < best[0]:
            best = (cost, place, end)
    if best is None:
        return None, "No change of one feature, within the values that it may have, moves it."
    cost, place, end = best
    feature = fit.features[place]
    new = fit.segments[_Walk(fit, point, place, own, end).segment(end)]
    start, stop = feature.shown(known[place] or 0.0), feature.shown(end)
    return {
        "feature": feature.name,
        "from": start,
        "to": stop,
        "standard_deviations": cost,
        "to_segment_id": new.segment_id,
        "to_segment_name": new.segment_name,
        "words": (
            f"With {feature.label} {_in_words(stop)} instead of {_in_words(start)} it "
            f"would be in {new.segment_name}."
        ),
    }, None


def _borders(place: int, squares: Sequence[float], own: int, fit: Fit) -> list[float]:
    """Steps along a feature, in standard deviations, to the first border down and up."""
    down, up = -math.inf, math.inf
    centre = fit.segments[own].centre[place]
    for other, segment in enumerate(fit.segments):
        apart = segment.centre[place] - centre
        if other == own or apart == 0:
            continue
        step = max(squares[other] - squares[own], 0.0) / (2 * apart)
        if apart > 0:
            up = min(up, step)
        else:
            down = max(down, step)
    return [step for step in (down, up) if math.isfinite(step)]


@dataclass(frozen=True)
class _Walk:
    """A customer of whom one feature changes and all else stays."""

    fit: Fit
    point: Sequence[float]
    place: int
    own: int
    start: float

    @property
    def feature(self) -> Feature:
        return self.fit.features[self.place]

    def segment(self, value: float) -> int:
        """The position of the segment at a natural value of the feature."""
        changed = list(self.point)
        changed[self.place] = self.feature.standardised(value)
        return _nearest(_squares(changed, self.fit))

    def leaves(self, value: float) -> bool:
        """Whether the value is another segment's, and one the feature can have."""
        return self.feature.transformed(value) is not None and self.segment(value) != self.own

    def end(self, border: float) -> float | None:
        """The first allowed value across a border that many standard deviations away."""
        at_border = self.feature.natural(self.point[self.place] + border)
        if at_border is None or not self.feature.allows(at_border, self.start):
            return None
        # On a border there is no step to take the direction from.
        is_up = math.copysign(1.0, border) > 0
        if self.feature.is_whole:
            found = self._whole(at_border, border)
        else:
            found = self._rounded(self._across(border), is_up)
        if found is None or self.feature.allows(found, self.start):
            return found
        # The border is allowed, so a limit just behind it may do.
        limit = self.feature.highest_value if is_up else self.feature.lowest_value
        if limit is None or (self.feature.is_whole and not limit.is_integer()):
            return None
        return limit if self.leaves(limit) else None

    def _whole(self, at_border: float, border: float) -> float | None:
        outwards, step = (math.ceil, 1.0) if math.copysign(1.0, border) > 0 else (math.floor, -1.0)
        first = float(outwards(at_border))
        for value in (first, first + step):
            if self.leaves(value):
                return value
        # The rule for ties moves the border of a very large number by more than one.
        across = self._across(border)
        return None if across is None else float(outwards(across))

    def _across(self, border: float) -> float | None:
        """A value just across a border that many standard deviations away.

        The border of exact arithmetic is moved by the rule for ties, which matters for whoever is
        as good as on it; hence the search.
        """
        here = self.point[self.place]

        def is_across(step: float) -> bool:
            value = self.feature.natural(here + step)
            return value is not None and self.leaves(value)

        least = border or math.copysign(1e-9 * max(abs(here), 1.0), border)
        inside, outside = 0.0, least * (1 + BORDER_SHARE / 4)
        for _ in range(64):
            if is_across(outside):
                break
            inside, outside = outside, 2 * outside
        else:
            return None
        if inside == 0 and not is_across(least * (1 - BORDER_SHARE / 4)):
            inside = least * (1 - BORDER_SHARE / 4)
        while abs(outside - inside) > BORDER_SHARE * abs(outside):
            middle = inside + (outside - inside) / 2
            if middle in (inside, outside):
                break
            if is_across(middle):
                outside = middle
            else:
                inside = middle
        return self.feature.natural(here + outside)

    def _rounded(self, value: float | None, is_up: bool) -> float | None:
        """The value with as few digits as leave the change as it is but for a hundredth.

        Near where a transform ends, little in natural units is much in standard deviations.
        """
        if value is None or value == self.start:
            return value
        decimals = math.ceil(-math.log10(ROUNDING_SHARE * abs(value - self.start)))
        try:
            unit = 10.0**-decimals
            multiple = math.ceil(value / unit) if is_up else math.floor(value / unit)
            rounded = round(multiple * unit, decimals)
        except (OverflowError, ZeroDivisionError):
            return value
        here, *ends = (self.feature.standardised(end) for end in (self.start, value, rounded))
        is_near = abs(ends[1] - ends[0]) <= 2 * ROUNDING_SHARE * abs(ends[0] - here)
        is_fit = self.leaves(rounded) and self.feature.allows(rounded, self.start)
        return rounded if is_near and is_fit else value
