"""Scoring one customer: SQL's answer, and the smallest change against brute force."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from conftest import PROJECT, Build
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.fits import write_fits
from pipeline.score import answers
from segmentation import Fit, ScoreError, load_fit, score
from segmentation.scoring import Feature, Segment

Floats = NDArray[np.float64]
Customer = dict[str, Any]
SOURCES = {
    "behaviour": ("intermediate.int_customer_features", 4_000),
    "cards": ("staging.stg_card_accounts", 1_559),
}


# --- what is right, written once more ---


def standardised(feature: Feature, values: Floats) -> Floats:
    """Natural values as SQL standardises them; NaN is missing."""
    with np.errstate(all="ignore"):
        transformed = {
            "none": lambda: values,
            "log1p": lambda: np.log(1 + values),
            "sqrt": lambda: np.sqrt(values),
            "asinh": lambda: np.arcsinh(values),
        }[feature.transform]()
    filled = np.where(np.isfinite(transformed), transformed, feature.fill_value)
    return np.asarray((filled - feature.shift) / feature.scale)


def natural(feature: Feature, given: object) -> float:
    """A value of a record as a number; NaN where it is missing."""
    if feature.values is not None:
        return math.nan if given is None else feature.values.get(str(given).lower(), math.nan)
    if given is None:
        return 0.0 if feature.name.startswith("holds:") else math.nan
    return float(given)  # type: ignore[arg-type]


def segments_with(fit: Fit, customer: Customer, place: int, values: Sequence[float]) -> Floats:
    """The segment id at each value of one feature, all else as it is."""
    squares = np.zeros((len(values), len(fit.segments)))
    for position, feature in enumerate(fit.features):
        own = np.array(
            values if position == place else [natural(feature, customer.get(feature.name))]
        )
        for column, segment in enumerate(fit.segments):
            squares[:, column] += (standardised(feature, own) - segment.centre[position]) ** 2
    is_near = squares <= squares.min(axis=1, keepdims=True) * (1 + 2e-9)
    return np.array([segment.segment_id for segment in fit.segments])[is_near.argmax(axis=1)]


def segment_of(fit: Fit, customer: Customer) -> int:
    feature = fit.features[0]
    return int(segments_with(fit, customer, 0, [natural(feature, customer.get(feature.name))])[0])


def possible(feature: Feature, now: float, cost: float) -> Floats:
    """Values the feature may change to, all within `cost` standard deviations, many if it can."""
    if feature.values is not None:
        values = np.array(list(feature.values.values()))
    elif feature.name.startswith("holds:"):
        values = np.array([0.0, 1.0])
    else:
        here = float(standardised(feature, np.array([now]))[0])
        transformed = feature.shift + feature.scale * (here + np.linspace(-cost, cost, 101))
        with np.errstate(all="ignore"):
            values = {
                "none": lambda: transformed,
                "log1p": lambda: np.expm1(transformed),
                "sqrt": lambda: np.where(transformed >= 0, transformed**2, np.nan),
                "asinh": lambda: np.sinh(transformed),
            }[feature.transform]()
        if feature.is_whole:
            values = np.unique(np.round(values[np.abs(values) < 2**50]))
        low = -math.inf if feature.lowest_value is None else min(feature.lowest_value, now)
        high = math.inf if feature.highest_value is None else max(feature.highest_value, now)
        values = values[(values >= low) & (values <= high)]
    away = np.abs(standardised(feature, values) - standardised(feature, np.array([now])))
    return np.asarray(values[np.isfinite(values) & (away <= cost)])


def assert_smallest(fit: Fit, customer: Customer, answer: Mapping[str, Any]) -> None:
    """The change moves the customer where it says, a little less does not, no smaller one does."""
    change = answer["smallest_change"]
    assert (change is None) == (answer["no_change_reason"] is not None)
    here = segment_of(fit, customer)
    assert answer["segment_id"] == here
    cost = 12.0
    if change is not None:
        names = [feature.name for feature in fit.features]
        place = names.index(change["feature"])
        feature = fit.features[place]
        assert feature.is_changeable
        now, then = (natural(feature, change[end]) for end in ("from", "to"))
        assert now == natural(feature, customer.get(feature.name))
        moved = segments_with(fit, customer, place, [then])[0]
        assert moved == change["to_segment_id"] != here
        if feature.values is None and not feature.name.startswith("holds:"):
            back = max(0.01 * abs(then - now), float(feature.is_whole))
            less = then - math.copysign(back, then - now)
            if (less - now) * (then - now) > 0:
                assert segments_with(fit, customer, place, [less])[0] == here
        ends = standardised(feature, np.array([now, then]))
        assert change["standard_deviations"] == pytest.approx(abs(ends[1] - ends[0]))
        # Rounded by half a hundredth of the change, which is more where a transform is steep.
        nearly = standardised(feature, np.array([now + 0.99 * (then - now)]))[0]
        is_number = feature.values is None and not feature.is_whole
        cost = 0.99 * min(abs(ends[1] - ends[0]), abs(nearly - ends[0]) if is_number else math.inf)
    for place, feature in enumerate(fit.features):
        now = natural(feature, customer.get(feature.name))
        if feature.is_changeable and np.isfinite(now) and feature.transformed(now) is not None:
            tried = possible(feature, now, cost)
            assert (segments_with(fit, customer, place, list(tried)) == here).all(), feature.name


# --- the demo ---


@pytest.fixture(scope="module")
def fits(demo_build: Build, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Fit]:
    folder = tmp_path_factory.mktemp("exported") / "fits"
    with duckdb.connect(str(demo_build.path), read_only=True) as build:
        return {path.stem: load_fit(path) for path in write_fits(build, folder)}


def demo_customers(build: Build, fit: Fit) -> list[Customer]:
    with duckdb.connect(str(build.path), read_only=True) as connection:
        found = connection.execute(f"from {SOURCES[fit.segmentation][0]}")
        names = [column[0] for column in found.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    return [{name: row[name] for name in (fit.grain_key, *fit.feature_names)} for row in rows]


@pytest.mark.parametrize("segmentation", SOURCES)
def test_every_demo_customer_is_scored_as_sql_assigns_it(
    demo_build: Build, fits: dict[str, Fit], segmentation: str
) -> None:
    fit = fits[segmentation]
    with duckdb.connect(str(demo_build.path), read_only=True) as connection:
        rows = connection.execute(
            """
            select entity_id, segment_id, segment_name, assignment_margin, members.fit_id
            from customers.segment_members as members
            inner join marts.segments using (segmentation, segment_id)
            where segmentation = ?
            """,
            [segmentation],
        ).fetchall()
    expected = {row[0]: row[1:] for row in rows}
    customers = demo_customers(demo_build, fit)
    assert len(customers) == len(expected) == SOURCES[segmentation][1]
    for customer in customers:
        answer = score(customer, fit)
        segment_id, segment_name, margin, fit_id = expected[answer[fit.grain_key]]
        assert (answer["segment_id"], answer["segment_name"]) == (segment_id, segment_name)
        assert answer["assignment_margin"] == pytest.approx(margin, abs=1e-12)
        assert answer["fit_id"] == fit_id


@pytest.mark.parametrize("segmentation", SOURCES)
def test_the_smallest_change_is_the_smallest_for_demo_customers(
    demo_build: Build, fits: dict[str, Fit], segmentation: str
) -> None:
    fit = fits[segmentation]
    for customer in demo_customers(demo_build, fit)[::20]:
        assert_smallest(fit, customer, score(customer, fit))


def test_an_exported_fit_holds_what_the_specification_says(fits: dict[str, Fit]) -> None:
    fit = fits["behaviour"]
    assert (fit.grain_key, fit.as_of_on, fit.project_version) == (
        "customer_id",
        "2026-06-30",
        "0.1.0",
    )
    whole = {feature.name for feature in fit.features if feature.is_whole}
    assert whole == {"transaction_count", "digital_session_count", "product_count"}
    assert [segment.segment_id for segment in fit.segments] == [1, 2, 3, 4]


# --- any fit ---


def feature_of(name: str, **changes: Any) -> Feature:
    plain = Feature(
        name=name,
        transform="none",
        missing_rule="mean",
        fill_value=0.0,
        shift=0.0,
        scale=1.0,
        values=None,
        is_changeable=True,
        is_whole=False,
        lowest_value=None,
        highest_value=None,
    )
    return replace(plain, **changes)


def fit_of(features: Sequence[Feature], centres: Sequence[Sequence[float]]) -> Fit:
    segments = [
        Segment(place, f"Segment {place}", centre) for place, centre in enumerate(centres, start=1)
    ]
    return Fit(
        "tried", "customer", "customer_id", "tried-1", "2026-06-30", "0.1.0", features, segments
    )


NUMBERS = st.floats(-50, 50, allow_subnormal=False).map(lambda number: round(number, 3))


@st.composite
def features_and_values(draw: st.DrawFn, name: str) -> tuple[Feature, Any]:
    kind = draw(st.sampled_from(["number", "whole", "text", "held"]))
    feature = feature_of(
        name if kind != "held" else f"holds:{name}",
        transform=draw(st.sampled_from(["none", "log1p", "sqrt", "asinh"])),
        fill_value=draw(st.floats(0, 3)),
        shift=draw(st.floats(-3, 3)),
        scale=draw(st.floats(0.05, 20)),
        is_changeable=draw(st.integers(0, 4)) > 0,
        is_whole=kind == "whole",
        values={"a": 0.0, "b": 1.0, "c": 3.0, "d": 1.0} if kind == "text" else None,
        lowest_value=draw(st.none() | NUMBERS),
        highest_value=draw(st.none() | NUMBERS),
    )
    value = {
        "number": NUMBERS,
        "whole": st.integers(-5, 60),
        "text": st.sampled_from(["a", "B", "c", "nothing like it"]),
        "held": st.booleans(),
    }[kind]
    return feature, draw(st.none() | value)


@st.composite
def fits_and_customers(draw: st.DrawFn) -> tuple[Fit, Customer]:
    width, k = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    drawn = [draw(features_and_values(f"x{place}")) for place in range(width)]
    centre = st.lists(st.integers(-6, 6).map(lambda half: half / 2), min_size=width, max_size=width)
    fit = fit_of([feature for feature, _ in drawn], draw(st.lists(centre, min_size=k, max_size=k)))
    return fit, {feature.name: value for feature, value in drawn}


@settings(max_examples=200, deadline=None, derandomize=True)
@given(fits_and_customers())
def test_the_smallest_change_is_the_smallest_for_any_fit(drawn: tuple[Fit, Customer]) -> None:
    fit, customer = drawn
    assert_smallest(fit, customer, score(customer, fit))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(fits_and_customers())
def test_what_decides_adds_up(drawn: tuple[Fit, Customer]) -> None:
    fit, customer = drawn
    answer = score(customer, fit)
    names = [feature["feature"] for feature in answer["deciding_features"]]
    shares = [feature["contribution"] for feature in answer["deciding_features"]]
    assert shares == sorted(shares, reverse=True)
    assert all(share > 0 for share in shares)
    assert len(set(names)) == len(names) <= 3
    if len(fit.features) <= 3 and len(fit.segments) > 1:
        point = [
            float(standardised(one, np.array([natural(one, customer.get(one.name))]))[0])
            for one in fit.features
        ]
        own, second = (
            next(one for one in fit.segments if one.segment_id == answer[key])
            for key in ("segment_id", "second_segment_id")
        )
        each = {
            feature.name: (value - far) ** 2 - (value - near) ** 2
            for feature, value, near, far in zip(
                fit.features, point, own.centre, second.centre, strict=True
            )
        }
        assert dict(zip(names, shares, strict=True)) == pytest.approx(
            {name: share for name, share in each.items() if share > 0}
        )


def test_a_tie_takes_the_lowest_id_and_the_change_crosses_it() -> None:
    fit = fit_of([feature_of("x")], [[1.0], [-1.0]])
    for value in (0.0, -1e-10, 1e-10):
        answer = score({"x": value}, fit)
        assert answer["segment_id"] == 1
        assert answer["assignment_margin"] == pytest.approx(0, abs=1e-9)
        assert_smallest(fit, {"x": value}, answer)
        assert answer["smallest_change"]["to"] < 0
    assert score({"x": -1e-8}, fit)["segment_id"] == 2


def test_a_customer_on_two_equal_centres_has_no_margin() -> None:
    answer = score({"x": 1.0}, fit_of([feature_of("x")], [[1.0], [1.0]]))
    assert (answer["segment_id"], answer["assignment_margin"]) == (1, None)
    assert answer["smallest_change"] is None


def test_a_single_segment_says_so() -> None:
    answer = score({}, fit_of([feature_of("x")], [[1.0]]))
    assert (answer["segment_id"], answer["second_segment_id"]) == (1, None)
    assert answer["assignment_margin"] is None
    assert answer["no_change_reason"] == "There is only one segment."


def test_what_nobody_can_change_is_left_as_it_is() -> None:
    age = feature_of("age_years", is_changeable=False)
    fit = fit_of([age, feature_of("income")], [[0.0, 0.0], [1.0, 9.0]])
    assert score({"age_years": 0, "income": 0}, fit)["smallest_change"]["feature"] == "income"
    alone = score({"age_years": 0}, fit)
    assert alone["smallest_change"] is None
    assert alone["no_change_reason"] == "Nothing that can change is known of it."
    assert alone["filled_features"] == ["income"]


def test_a_text_and_a_product_change_to_what_they_can_be() -> None:
    region = feature_of("attribute:region", values={"north": 0.0, "south": 2.0})
    loan = feature_of("holds:loan")
    fit = fit_of([region, loan], [[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    answer = score({"attribute:region": "North"}, fit)
    assert answer["segment_id"] == 1
    assert answer["filled_features"] == []
    change = answer["smallest_change"]
    assert (change["feature"], change["from"], change["to"]) == ("holds:loan", 0, 1)
    text = score({"attribute:region": "north", "holds:loan": True}, fit)
    assert text["segment_id"] == 3
    unknown = score({"attribute:region": "west", "holds:loan": False}, fit)
    assert unknown["filled_features"] == ["attribute:region"]


def test_a_decimal_counts_as_its_number() -> None:
    fit = fit_of([feature_of("x")], [[1.0], [-1.0]])
    assert score({"x": Decimal("0.75")}, fit) == score({"x": 0.75}, fit)


# --- what is no customer ---

TWO = [
    fit_of([feature_of("income"), feature_of("holds:loan")], [[1.0, 0.0], [-1.0, 1.0]]),
    replace(fit_of([feature_of("balance")], [[1.0], [-1.0]]), segmentation="accounts"),
]

HOSTILE = {
    "{": "This is no JSON: ",
    "": "This is no JSON: ",
    "{'income': 1}": "This is no JSON: ",
    '{"income": 1} {}': "This is no JSON: Extra data",
    "[]": "This is no customer; write a JSON object",
    "null": "This is no customer; write a JSON object",
    "5": "This is no customer; write a JSON object",
    "[" * 100_000: "This is no customer: its JSON is nested too deeply.",
    '{"income": NaN}': "NaN is not a finite number",
    '{"income": -Infinity}': "-Infinity is not a finite number",
    '{"income": 1e999}': "income is not a finite number",
    '{"income": 1' + "0" * 400 + "}": "income is not a finite number",
    '{"income": 1' + "0" * 5000 + "}": "a number in it has too many digits.",
    '{"income": 1e200}': "income is too large to be compared with anybody.",
    '{"income": "2500"}': "income is text; it needs a number.",
    '{"income": true}': "income is no number; it needs a number.",
    '{"income": [1]}': "income is no number; it needs a number.",
    '{"income": 1, "income": 2}': "income is there twice.",
    '{"holds:loan": 0.5}': "holds:loan is neither true nor false.",
    '{"holds:loan": []}': "holds:loan is neither true nor false.",
    '{"holds:loan": "yes"}': "holds:loan is neither true nor false.",
    '{"Income": 1}': "No segmentation has a feature Income; there are tried: income, holds:loan",
    '{"\\n' + "x" * 500 + '": 1}': "No segmentation has a feature xxx",
    '{"\\ud800": 1}': "No segmentation has a feature",
}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_no_customer_ends_in_one_sentence(text: str) -> None:
    with pytest.raises(ScoreError) as refused:
        answers(text, TWO)
    sentence = str(refused.value)
    assert HOSTILE[text] in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert len(sentence) < 250


def test_the_segmentations_that_know_a_key_answer() -> None:
    def answered(text: str) -> list[str]:
        return [answer["segmentation"] for answer in answers(text, TWO)]

    assert answered('{"income": 1}') == ["tried"]
    assert answered('{"balance": 1, "customer_id": "x"}') == ["accounts"]
    assert answered('{"balance": 1, "income": 1}') == ["tried", "accounts"]
    assert answered("{}") == ["tried", "accounts"]


def test_a_text_is_asked_for_where_the_specification_maps_texts() -> None:
    fit = fit_of([feature_of("region", values={"north": 0.0})], [[1.0]])
    with pytest.raises(ScoreError, match="region is neither text nor whole; it is one of north"):
        score({"region": 0.5}, fit)


@pytest.mark.parametrize("customer", [[], "x", None])
def test_the_function_refuses_what_is_no_mapping(customer: Any) -> None:
    with pytest.raises(ScoreError, match="A customer is a mapping"):
        score(customer, TWO[0])
    with pytest.raises(ScoreError, match="There is no feature shoe in the segmentation tried"):
        score({"shoe": 1}, TWO[0])


# --- the fit as a file, and the command ---


def written(fit: Fit, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"format": 1, **asdict(fit)}))
    return path


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "{", '{"format": 2}', '{"format": 1, "features": [{}], "segments": []}'],
)
def test_a_file_that_is_no_fit_is_refused_in_a_sentence(tmp_path: Path, content: str) -> None:
    path = tmp_path / "behaviour.json"
    path.write_text(content)
    with pytest.raises(ScoreError, match=r"behaviour\.json is no fit of this version"):
        load_fit(path)
    with pytest.raises(ScoreError, match=r"other\.json cannot be read; run `make publish`\."):
        load_fit(tmp_path / "other.json")


def test_a_score_needs_no_database_and_no_frames() -> None:
    heavy = "{'numpy', 'pandas', 'duckdb', 'sklearn'} & sys.modules.keys()"
    code = f"import sys; from segmentation import score; assert not {heavy}, {heavy}"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True)


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Any]:
    """Runs the command over published fits, in a folder that holds no more of a project."""
    (tmp_path / "dbt_project.yml").write_text("vars: {}\n")
    for fit in TWO:
        written(fit, tmp_path / "published" / "fits" / f"{fit.segmentation}.json")

    def run(given: bytes = b"", **environment: str) -> subprocess.CompletedProcess[bytes]:
        kept = {key: value for key, value in os.environ.items() if key not in ("RAW_DATA",)}
        return subprocess.run(
            [sys.executable, "-m", "pipeline.score"],
            input=given,
            cwd=tmp_path,
            env={**kept, "PYTHONPATH": str(PROJECT), **environment},
            capture_output=True,
            check=False,
        )

    yield run


def test_one_customer_on_the_line(command: Any) -> None:
    done = command(CUSTOMER='{"income": 0.5, "customer_id": "Ç"}')
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == score({"income": 0.5, "customer_id": "Ç"}, TWO[0])
    refused = command(CUSTOMER='{"income": "much"}')
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert refused.stderr == b"income is text; it needs a number.\n"


def test_a_stream_answers_every_line_and_fails_for_bad_ones(command: Any, tmp_path: Path) -> None:
    lines = b'\xef\xbb\xbf{"income": 1}\r\n\n{"income": "x"}\n\xff\xfe\n{"balance": 2}'
    (tmp_path / "customers.jsonl").write_bytes(lines)
    for done in (command(lines), command(lines, CUSTOMER="-"), command(CUSTOMER="customers.jsonl")):
        said = [json.loads(line) for line in done.stdout.splitlines()]
        assert [one.get("segmentation") for one in said] == ["tried", None, None, "accounts"]
        assert said[1] == {"line": 3, "error": "income is text; it needs a number."}
        assert said[2] == {"line": 4, "error": "This is not UTF-8."}
        assert done.returncode == 1
        assert done.stderr == b"2 of 4 customers could not be scored; each line says why.\n"


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({"CUSTOMER": "none.jsonl"}, "CUSTOMER is neither a JSON object nor a file"),
        ({"CUSTOMER": "."}, "CUSTOMER is neither a JSON object nor a file"),
        ({"CUSTOMER": ""}, "No customer was handed in"),
        ({"SEGMENTATION": "other", "CUSTOMER": "{}"}, "there are accounts, tried."),
        ({"SEGMENTATION": "tried", "CUSTOMER": '{"balance": 1}'}, "No segmentation has a feature"),
        ({"PUBLISHED": "elsewhere", "CUSTOMER": "{}"}, "There is no fit in elsewhere/fits"),
    ],
)
def test_the_command_refuses_in_a_sentence(
    command: Any, environment: dict[str, str], says: str
) -> None:
    done = command(**environment)
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (1, b"")
    assert says in said
    assert said.count("\n") == 1
