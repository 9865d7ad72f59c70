"""What keeps two segments apart, on planted data and against numpy."""

import numpy as np
import pandas as pd
import pytest

from segmentation.fit import fit_missing
from segmentation.frames import SEGMENT_SEPARATIONS
from segmentation.pairs import segment_separations

SEED = 20260630


def compared(values, k, features=None, minimum_separation=2.0):
    """Fit, assign and compare; also the standardised values and the segments."""
    features = features or [f"x{place}" for place in range(values.shape[1])]
    specification = {
        "name": "tried",
        "grain": "customer",
        "k": k,
        "features": [
            {"name": feature, "transform": "none", "missing": "median"} for feature in features
        ],
    }
    columns = [f"value_{place:02d}" for place in range(1, values.shape[1] + 1)]
    entities = pd.DataFrame(values, columns=columns).assign(
        segmentation="tried", entity_id=[f"C{row:06d}" for row in range(len(values))]
    )
    fits = fit_missing(
        [specification],
        entities,
        pd.DataFrame(),
        pd.DataFrame(),
        pd.DataFrame(),
        refit=[],
        as_of_on="2026-06-30",
        random_seed=SEED,
        minimum_overlap=0.5,
    )
    centres = fits.pivot(index="segment_id", columns="feature_position", values="centre").to_numpy()
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    segments = 1 + ((scaled[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    found = segment_separations(
        [specification],
        entities.assign(segment_id=segments).sample(frac=1, random_state=1),
        fits,
        minimum_separation=minimum_separation,
    )
    return found, scaled, segments


def test_segments_that_differ_by_gender_alone_are_separated_only_by_it():
    random = np.random.default_rng(1)
    gender = (random.random(2000) < 0.5).astype(float)
    values = np.column_stack([random.normal(size=(2000, 3)), gender])
    found, _, segments = compared(values, 2, ["income", "balance", "loyalty_score", "gender"])
    assert len(np.unique(gender[segments == 1])) == len(np.unique(gender[segments == 2])) == 1
    (row,) = found.to_dict("records")
    assert row["separated_only_by"] == "gender"
    assert row["separating_features"] == "gender 100 %"
    assert row["separation_without"] < 0.2


def test_only_the_pairs_that_gender_holds_apart_are_named():
    # Two kinds of customer, each divided by gender: four segments.
    random = np.random.default_rng(2)
    kind, gender = random.integers(0, 2, (2, 3000)).astype(float)
    values = np.column_stack(
        [random.normal(size=3000) + 6 * kind, random.normal(size=3000) + 6 * kind, gender]
    )
    found, _, segments = compared(values, 4, ["income", "balance", "gender"])
    kind_of = {one: kind[segments == one].mean().round() for one in range(1, 5)}
    for row in found.to_dict("records"):
        is_one_kind = kind_of[row["segment_id"]] == kind_of[row["other_segment_id"]]
        assert (row["separated_only_by"] == "gender") == is_one_kind


def test_segments_that_differ_by_gender_and_another_feature_are_not_named():
    # As clusters 1 and 3 of the behavioural study: gender, and loyalty score.
    random = np.random.default_rng(3)
    gender = random.integers(0, 2, 2000).astype(float)
    values = np.column_stack(
        [random.normal(size=(2000, 2)), gender, random.normal(350 + 300 * gender, 60)]
    )
    found, _, _ = compared(values, 2, ["income", "balance", "gender", "loyalty_score"])
    (row,) = found.to_dict("records")
    assert row["separated_only_by"] is None or pd.isna(row["separated_only_by"])
    assert row["separation_without"] > 2
    assert {"gender", "loyalty score"} == {
        part.rsplit(" ", 2)[0] for part in row["separating_features"].split(", ")
    }


def test_figures_are_those_of_the_members_projected_on_the_line_between_the_centres():
    random = np.random.default_rng(4)
    groups = np.array([[0, 0, 0, 0], [3, 0, 1, 0], [0, 4, 0, 2]])[random.integers(3, size=900)]
    values = groups + random.normal(size=(900, 4)) @ random.normal(size=(4, 4)) / 2
    found, scaled, segments = compared(values, 3)
    assert found[["segment_id", "other_segment_id"]].to_numpy().tolist() == [[1, 2], [1, 3], [2, 3]]

    def separation(first, second, kept):
        one, other = (scaled[segments == segment][:, kept] for segment in (first, second))
        line = other.mean(axis=0) - one.mean(axis=0)
        spread = np.mean([np.var(group @ line) for group in (one, other)])
        return line @ line / np.sqrt(spread)

    for row in found.to_dict("records"):
        first, second = row["segment_id"], row["other_segment_id"]
        line = scaled[segments == second].mean(axis=0) - scaled[segments == first].mean(axis=0)
        assert row["distance"] == pytest.approx(np.linalg.norm(line), rel=5e-3)
        shares = line**2 / (line @ line)
        order = [place for place in np.argsort(-shares) if shares[place] >= 0.05]
        named = [part.split(" ")[:2] for part in row["separating_features"].split(", ")]
        assert [name for name, _ in named] == [f"x{place}" for place in order]
        assert [float(share) for _, share in named] == pytest.approx(
            [100 * shares[place] for place in order], abs=1
        )
        everything = separation(first, second, [0, 1, 2, 3])
        assert row["separation"] == pytest.approx(everything, rel=5e-3)
        kept = [place for place in range(4) if place != order[0]]
        assert row["separation_without"] == pytest.approx(separation(first, second, kept), rel=5e-3)


def test_a_segment_without_members_has_a_distance_and_no_separation():
    random = np.random.default_rng(5)
    values = np.concatenate([random.normal(size=(50, 2)), random.normal(size=(50, 2)) + 9])
    specification = {
        "name": "tried",
        "features": [{"name": "x", "transform": "none"}, {"name": "y", "transform": "none"}],
    }
    fits = pd.DataFrame(
        {
            "segmentation": "tried",
            "fit_id": "tried-1",
            "segment_id": [1, 1, 2, 2],
            "feature_position": [1, 2, 1, 2],
            "fill_value": 0.0,
            "shift": 0.0,
            "scale": 1.0,
            "centre": [0.0, 0.0, 3.0, 4.0],
        }
    )
    entities = pd.DataFrame(values, columns=["value_01", "value_02"]).assign(
        segmentation="tried", entity_id=[f"C{row}" for row in range(100)], segment_id=1
    )
    found = segment_separations([specification], entities, fits, minimum_separation=2)
    assert found["distance"].tolist() == [5.0]
    assert found["separating_features"].tolist() == ["y 64 %, x 36 %"]
    assert found[["separation", "separation_without", "separated_only_by"]].isna().all(axis=None)


def test_a_single_segment_has_no_pairs():
    found, _, _ = compared(np.random.default_rng(6).normal(size=(100, 2)), 1)
    assert found.empty
    assert found.dtypes.astype(str).to_dict() == dict(SEGMENT_SEPARATIONS)


def test_one_feature_alone_separates():
    values = np.concatenate([np.arange(50.0), 1000 + np.arange(50.0)])[:, np.newaxis]
    found, _, _ = compared(values, 2, ["income"])
    assert found["separated_only_by"].tolist() == ["income"]
    assert found["separation_without"].tolist() == [0.0]


def test_no_separation_at_all_cannot_be_asked_for():
    with pytest.raises(ValueError, match="minimum_separation is 0, but must be above 0"):
        compared(np.arange(3.0)[:, np.newaxis], 1, minimum_separation=0)
