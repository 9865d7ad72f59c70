"""The SQL that assigns rows to segments, against scikit-learn's predict and plain numpy.

The model itself is rendered, with specifications and fits of the test's own.
"""

from __future__ import annotations

import re
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import Build
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rendering import project_vars, render_model
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from segmentation.fit import fit_missing
from segmentation.quality import fit_quality

MODEL = "models/customers/segment_members.sql"
SEED = 20260630
Floats = NDArray[np.float64]


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    with threadpool_limits(1):
        yield


def specification(k: int, width: int, missing: str = "median") -> dict[str, Any]:
    features = [
        {"name": f"attribute:x{place}", "transform": "none", "missing": missing}
        for place in range(1, width + 1)
    ]
    return {"name": "tried", "grain": "customer", "k": k, "features": features}


def as_inputs(values: Floats) -> pd.DataFrame:
    frame = pd.DataFrame(
        values, columns=[f"value_{place:02d}" for place in range(1, values.shape[1] + 1)]
    )
    frame.insert(0, "entity_id", [f"C{row:06d}" for row in range(len(values))])
    frame.insert(0, "grain", "customer")
    frame.insert(0, "segmentation", "tried")
    return frame


def as_fit(
    centres: Floats,
    fills: Floats | None = None,
    shifts: Floats | None = None,
    scales: Floats | None = None,
) -> pd.DataFrame:
    """A fit, one row per segment and feature, with these centres (segments x features)."""
    k, width = centres.shape
    zeros, ones = np.zeros(width), np.ones(width)
    return pd.DataFrame(
        {
            "fit_id": "tried-1",
            "segmentation": "tried",
            "segment_id": np.repeat(np.arange(1, k + 1), width),
            "segment_position": np.repeat(np.arange(1, k + 1), width),
            "feature_position": np.tile(np.arange(1, width + 1), k),
            "fill_value": np.tile(zeros if fills is None else fills, k),
            "shift": np.tile(zeros if shifts is None else shifts, k),
            "scale": np.tile(ones if scales is None else scales, k),
            "centre": centres.ravel(),
        }
    )


def assigned(
    spec: dict[str, Any],
    inputs: pd.DataFrame,
    fits: pd.DataFrame,
    relation: str = "inputs",
    earlier: dict[str, int] | None = None,
) -> pd.DataFrame:
    """The rows of segment_members, ordered by entity.

    `relation` is a query over `inputs`, `earlier` the segment of entities at the publish before.
    """
    query = render_model(
        MODEL,
        variables={"segmentations": [spec], "segmentations_by_source": {"default": [spec["name"]]}},
    )
    with duckdb.connect() as connection:
        connection.register("inputs", inputs)
        connection.execute(f"create view segmentation_inputs as select * from {relation}")
        connection.register("current_fits", fits)
        connection.execute("""
            create table given_segment_members
            (segmentation varchar, grain varchar, entity_id varchar, segment_id bigint);
            create table earlier_segment_members
            (segmentation varchar, entity_id varchar, segment_id bigint)
        """)
        for entity, segment in (earlier or {}).items():
            connection.execute(
                "insert into earlier_segment_members values ('tried', ?, ?)", [entity, segment]
            )
        return connection.execute(f"select * from ({query}) order by entity_id").df()


def expected_of(inputs: pd.DataFrame, fits: pd.DataFrame) -> tuple[Floats, Floats, KMeans]:
    """Distances (rows x segments), standardised rows, and a KMeans with the fit's centres."""
    ordered = fits.sort_values(["segment_id", "feature_position"])
    centres = ordered.pivot(
        index="segment_id", columns="feature_position", values="centre"
    ).to_numpy()
    first = ordered.drop_duplicates("feature_position")
    width = centres.shape[1]
    columns = [f"value_{place:02d}" for place in range(1, width + 1)]
    values = inputs.sort_values("entity_id")[columns].to_numpy(dtype=float)
    values = np.where(np.isnan(values), first["fill_value"].to_numpy(), values)
    rows = (values - first["shift"].to_numpy()) / first["scale"].to_numpy()
    model = KMeans(len(centres), init=centres, n_init=1, max_iter=1).fit(centres)
    model.cluster_centers_ = np.ascontiguousarray(centres)
    distances = np.sqrt(((rows[:, np.newaxis, :] - centres[np.newaxis]) ** 2).sum(axis=2))
    return distances, np.ascontiguousarray(rows), model


def assert_equals_predict(found: pd.DataFrame, inputs: pd.DataFrame, fits: pd.DataFrame) -> None:
    distances, rows, model = expected_of(inputs, fits)
    assert found["entity_id"].tolist() == sorted(inputs["entity_id"])
    nearest = np.sort(distances, axis=1)
    k = distances.shape[1]
    np.testing.assert_allclose(found["distance"], nearest[:, 0], rtol=1e-9, atol=1e-12)
    if k == 1:
        assert (found["segment_id"] == 1).all()
        assert found[["second_distance", "assignment_margin"]].isna().all(axis=None)
        return
    margins = 1 - nearest[:, 0] / np.where(nearest[:, 1] > 0, nearest[:, 1], np.nan)
    np.testing.assert_allclose(found["second_distance"], nearest[:, 1], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found["assignment_margin"], margins, rtol=1e-9, atol=1e-12)
    is_clear = margins > 1e-9
    predicted = model.predict(rows) + 1
    assert (found["segment_id"].to_numpy() == predicted)[is_clear].all()
    # Among the segments that tie, the lowest id.
    ties = distances <= nearest[:, :1] * (1 + 1e-9)
    assert (found["segment_id"].to_numpy() == ties.argmax(axis=1) + 1)[~is_clear].all()


def clustered(random: np.random.Generator, count: int, width: int, groups: int) -> Floats:
    centres = random.normal(0, 3, (groups, width))
    return centres[random.integers(0, groups, count)] + random.normal(0, 1, (count, width))


def fitted(
    spec: dict[str, Any], inputs: pd.DataFrame, quality: pd.DataFrame | None = None
) -> pd.DataFrame:
    return fit_missing(
        [spec],
        inputs,
        pd.DataFrame(),
        pd.DataFrame(),
        pd.DataFrame(),
        refit=[],
        as_of_on="2026-06-30",
        random_seed=SEED,
        minimum_overlap=0.5,
        quality=quality,
    ).assign(segment_position=lambda fits: fits["segment_id"])


# --- random data ---


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 6])
def test_assignment_equals_predict_for_every_number_of_segments(k: int) -> None:
    inputs = as_inputs(clustered(np.random.default_rng(SEED + k), 3_000, 5, 6))
    spec = specification(k, 5)
    fits = fitted(spec, inputs)
    found = assigned(spec, inputs, fits)
    assert_equals_predict(found, inputs, fits)
    assert found["segment_id"].value_counts().sort_index().tolist() == (
        fits.drop_duplicates("segment_id")["training_count"].tolist()
    )


@pytest.mark.parametrize(("groups", "k_range"), [(1, None), (3, None), (5, [2, 8])])
def test_assignment_equals_predict_where_the_number_was_chosen(
    groups: int, k_range: list[int] | None
) -> None:
    random = np.random.default_rng(SEED + groups)
    centres = np.eye(5)[:groups] * 8
    values = centres[random.integers(0, groups, 800)] + random.normal(0, 1, (800, 5))
    inputs, spec = as_inputs(values), specification(4, 5) | {"k": "auto"}
    if k_range:
        spec["k_range"] = k_range
    quality = fit_quality(
        [spec],
        inputs,
        pd.DataFrame(),
        refit=[],
        random_seed=SEED,
        sample_size=400,
        minimum_stability=0.75,
        minimum_share=0.02,
        reference_sets=10,
        bootstraps=10,
    )
    fits = fitted(spec, inputs, quality)
    assert fits["segment_id"].nunique() == groups
    assert_equals_predict(assigned(spec, inputs, fits), inputs, fits)


def test_assignment_equals_predict_with_extreme_scales() -> None:
    values = clustered(np.random.default_rng(SEED), 4_000, 6, 4)
    values = values * np.array([1e-8, 1e-4, 1.0, 1e2, 1e5, 1e8]) + np.array(
        [0, 1, -1e3, 1e4, 0, 1e8]
    )
    inputs, spec = as_inputs(values), specification(4, 6)
    fits = fitted(spec, inputs)
    assert_equals_predict(assigned(spec, inputs, fits), inputs, fits)


def test_assignment_equals_predict_far_outside_the_data_of_the_fit() -> None:
    random = np.random.default_rng(SEED)
    spec = specification(4, 3)
    fits = fitted(spec, as_inputs(clustered(random, 1_000, 3, 4)))
    far = random.normal(0, 1, (2_000, 3)) * 10.0 ** random.integers(-3, 6, (2_000, 1))
    inputs = as_inputs(far)
    assert_equals_predict(assigned(spec, inputs, fits), inputs, fits)


@pytest.mark.parametrize("missing", ["median", "mean", "zero"])
def test_missing_values_are_filled_as_the_fit_filled_them(missing: str) -> None:
    random = np.random.default_rng(SEED)
    values = clustered(random, 2_000, 4, 4) + 5
    values[random.random(values.shape) < 0.2] = np.nan
    inputs, spec = as_inputs(values), specification(4, 4, missing)
    fits = fitted(spec, inputs)
    found = assigned(spec, inputs, fits)
    assert found["segment_id"].notna().all()
    assert_equals_predict(found, inputs, fits)


def test_infinite_and_undefined_values_are_filled_as_the_fit_filled_them() -> None:
    values = clustered(np.random.default_rng(SEED), 500, 3, 3)
    values[0, 0], values[1, 1] = np.inf, -np.inf
    inputs, spec = as_inputs(values), specification(3, 3)
    fits = fitted(spec, inputs)
    undefined = "case when entity_id = 'C000002' then cast('nan' as double) else value_03 end"
    found = assigned(
        spec, inputs, fits, relation=f"(select * replace ({undefined} as value_03) from inputs)"
    )
    filled = inputs.replace([np.inf, -np.inf], np.nan)
    filled.loc[2, "value_03"] = np.nan
    assert_equals_predict(found, filled, fits)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    k=st.integers(1, 6),
    width=st.integers(1, 5),
    seed=st.integers(0, 2**32 - 1),
    exponents=st.lists(st.integers(-8, 8), min_size=5, max_size=5),
)
def test_assignment_equals_predict_for_any_fit(
    k: int, width: int, seed: int, exponents: list[int]
) -> None:
    random = np.random.default_rng(seed)
    scales = 10.0 ** np.array(exponents[:width])
    shifts = random.normal(0, 1, width) * scales
    fits = as_fit(random.normal(0, 1, (k, width)), shifts, shifts, scales)
    values = random.normal(0, 2, (200, width)) * scales + shifts
    values[random.random(values.shape) < 0.1] = np.nan
    inputs = as_inputs(values)
    assert_equals_predict(assigned(specification(k, width), inputs, fits), inputs, fits)


# --- ties, and fits that are not what was asked for ---


def test_rows_on_a_bisector_take_the_lowest_segment_id() -> None:
    centres = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    rows = np.array([[0, 0], [0, 5], [-0.5, 0.5], [-0.5, -0.5], [0.5, -0.5], [0.1, 3], [-3, -0.1]])
    found = assigned(specification(4, 2), as_inputs(rows.astype(float)), as_fit(centres))
    assert found["segment_id"].tolist() == [1, 3, 2, 2, 1, 3, 2]
    assert found["assignment_margin"].tolist()[0] == 0
    assert (found["assignment_margin"][2:5] == 0).all()


def test_rows_on_a_bisector_but_for_rounding_take_the_lowest_segment_id() -> None:
    random = np.random.default_rng(SEED)
    first, second = random.normal(0, 1, (2, 7))
    middle = (first + second) / 2
    along = random.normal(0, 1, (500, 7))
    direction = second - first
    along -= np.outer(along @ direction / (direction @ direction), direction)
    inputs = as_inputs(middle + along)
    fits = as_fit(np.array([first, second]))
    found = assigned(specification(2, 7), inputs, fits)
    distances, _, _ = expected_of(inputs, fits)
    # Some are nearer to the second by rounding alone, which decides nothing.
    assert (distances[:, 1] < distances[:, 0]).any()
    assert (found["segment_id"] == 1).all()


def test_row_clearly_nearer_than_a_tie_takes_the_nearer_segment() -> None:
    fits = as_fit(np.array([[1.0], [-1.0]]))
    found = assigned(specification(2, 1), as_inputs(np.array([[-1e-8], [1e-8]])), fits)
    assert found["segment_id"].tolist() == [2, 1]


def test_row_on_two_equal_centres_takes_the_first_and_has_no_margin() -> None:
    fits = as_fit(np.array([[1.0], [1.0]]))
    found = assigned(specification(2, 1), as_inputs(np.array([[1.0], [4.0]])), fits)
    assert found["segment_id"].tolist() == [1, 1]
    assert found["distance"].tolist() == found["second_distance"].tolist() == [0.0, 3.0]
    assert pd.isna(found["assignment_margin"][0])
    assert found["assignment_margin"][1] == 0.0


def test_fit_with_fewer_segments_than_asked_for_assigns_to_those_it_has() -> None:
    fits = as_fit(np.array([[1.0], [-1.0]]))
    found = assigned(specification(5, 1), as_inputs(np.array([[3.0], [-3.0]])), fits)
    assert found["segment_id"].tolist() == [1, 2]
    assert found["second_distance"].tolist() == [4.0, 4.0]


def test_fit_with_a_single_segment_has_no_second_distance() -> None:
    found = assigned(specification(4, 1), as_inputs(np.array([[3.0]])), as_fit(np.array([[1.0]])))
    assert found["segment_id"].tolist() == [1]
    assert found[["second_distance", "assignment_margin"]].isna().all(axis=None)


def test_segmentation_without_a_fit_assigns_nobody() -> None:
    found = assigned(specification(2, 1), as_inputs(np.array([[3.0]])), as_fit(np.ones((2, 1)))[:0])
    assert found.empty


def test_ids_with_gaps_are_assigned_as_they_are() -> None:
    fits = as_fit(np.array([[1.0], [-1.0], [9.0]]))
    fits["segment_id"] = fits["segment_position"].map({1: 2, 2: 5, 3: 6})
    found = assigned(specification(3, 1), as_inputs(np.array([[3.0], [-3.0], [0.0]])), fits)
    assert found["segment_id"].tolist() == [2, 5, 2]
    assert found["second_segment_id"].tolist() == [5, 2, 5]


def test_a_customer_stays_until_another_centre_is_clearly_nearer() -> None:
    stays = project_vars()["assignment_hysteresis"]
    assert stays > 0
    fits = as_fit(np.array([[-1.0], [1.0]]))
    # Where the other centre is nearer by the margin exactly: (x + 1) (1 - margin) = 1 - x.
    border = stays / (2 - stays)
    values = np.array([[border * 0.99], [border * 1.01], [border * 0.99], [border * 0.99]])
    earlier = {"C000000": 1, "C000001": 1, "C000002": 2, "C000003": 7}
    found = assigned(specification(2, 1), as_inputs(values), fits, earlier=earlier)
    assert found["segment_id"].tolist() == [1, 2, 2, 2]
    assert found["nearest_segment_id"].tolist() == [2, 2, 2, 2]
    assert (found["assignment_margin"] < 0).tolist() == [True, False, False, False]


# --- the demo ---


def demo_tables(path: Any) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return (
            connection.execute("from customers.segment_members order by entity_id").df(),
            connection.execute("from segments.segmentation_inputs").df(),
            connection.execute("from segments.current_fits").df(),
        )


def test_demo_is_assigned_as_predict_assigns_it(demo_build: Build) -> None:
    members, inputs, fits = demo_tables(demo_build.path)
    assert members["segmentation"].value_counts()["behaviour"] == 4_000
    for name, own in members.groupby("segmentation"):
        assert_equals_predict(
            own.reset_index(drop=True),
            inputs[inputs["segmentation"] == name],
            fits[fits["segmentation"] == name],
        )


def test_stand_in_for_dbt_renders_the_model_that_dbt_compiles(demo_build: Build) -> None:
    compiled = (demo_build.folder / "target/compiled/segmart" / MODEL).read_text(encoding="utf-8")
    named = re.sub(r'"warehouse"\."[a-z]+"\."([a-z_]+)"', r"\1", compiled)
    assert re.sub(r"\s+", " ", render_model(MODEL)).strip() == re.sub(r"\s+", " ", named).strip()
    assert project_vars()["segmentations"][0]["name"] in named
