"""Times a fit and the assignment of a million customers against scikit-learn.

`make bench FIT=1` draws customers of planted kinds and fits them twice, with `segmentation.fit` as
the build does and with scikit-learn's KMeans on all rows, then assigns them by the SQL of
`segment_members`. No dbt and no warehouse: the model is rendered to SQL and run over tables drawn
here. The answers are compared; ratios are within the run, times are read, never asserted.
`fit_with_data` is the fit with all around it: ids sorted, data hashed, gaps filled, standardised.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.cluster import KMeans  # type: ignore[import-untyped]
from sklearn.metrics import adjusted_rand_score  # type: ignore[import-untyped]

from segmentation.fit import (
    centres_of,
    fit_missing,
    form_clusters,
    own_inputs,
    standardised_by,
)
from segmentation.personas import Floats
from tests.python.rendering import render_model

RESULTS = Path(__file__).parent / "results" / "fit.json"
MEMBERS = "models/customers/segment_members.sql"
CUSTOMERS = 1_000_000
FEATURES = 15
KINDS = 6
# Deviations of the kinds' means over the features; the kinds' own are 0.6 to 1.4.
DISTANCE = 1.0
GAPS = 0.01
NAME = "tried"
PERSONA_COLUMNS = [
    "segmentation",
    "persona",
    "description",
    "feature",
    "direction",
    "agreed_by",
    "agreed_on",
]
PEER_STARTS = 10
SEED = 20260630
THREADS = 2
REPEATS = 3
# What is to be reached: the largest or smallest value of each figure.
TARGETS = {
    "inertia_ratio": ("at most", 1.005),
    "adjusted_rand_index": ("at least", 0.98),
    "time_ratio": ("at most", 1 / 3),
    "customers_per_second": ("at least", 2_000_000),
    "share_equal_to_predict": ("at least", 1.0),
}


@dataclass(frozen=True)
class Timed:
    """What a call returned, its wall seconds and its CPU seconds (all threads)."""

    value: Any
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Assigned:
    """Runs that counted segments and that wrote their members, and the segments by id's order."""

    counted: list[Timed]
    nearest: list[Timed]
    whole: list[Timed]
    segment_ids: npt.NDArray[np.int64]
    share_equal_to_predict: float


def main(arguments: list[str] | None = None) -> int:
    """Draw, fit, assign, print a line a figure and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=CUSTOMERS)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    inputs = drawn(options.customers)
    specification = {
        "name": NAME,
        "grain": "customer",
        "k": KINDS,
        "features": [
            {"name": f"attribute:x{place}", "transform": "none", "missing": "median"}
            for place in range(1, FEATURES + 1)
        ],
    }
    # Interleaved, so that whatever else the machine does meets both.
    whole, ours, theirs = [], [], []
    for _ in range(options.repeats):
        whole.append(timed(fitted, specification, inputs))
        fit = whole[-1].value
        rows = standardised(fit, inputs)
        ours.append(timed(form_clusters, rows, KINDS, SEED))
        theirs.append(timed(peer, rows))
    model = theirs[-1].value
    assigned = assignments(specification, inputs, fit, rows, options.repeats)
    runs = {
        "fit": ours,
        "fit_with_data": whole,
        "scikit_learn": theirs,
        "assign": assigned.counted,
        "nearest": assigned.nearest,
        "members": assigned.whole,
    }
    best = {name: min(found, key=lambda one: one.seconds) for name, found in runs.items()}
    figures = {
        "inertia_ratio": float(fit["inertia"].iloc[0]) / float(model.inertia_),
        "adjusted_rand_index": float(adjusted_rand_score(assigned.segment_ids, model.labels_)),
        "time_ratio": best["fit"].seconds / best["scikit_learn"].seconds,
        "cpu_ratio": best["fit"].cpu_seconds / best["scikit_learn"].cpu_seconds,
        "customers_per_second": options.customers / best["assign"].seconds,
        "customers_per_cpu_second": options.customers / best["assign"].cpu_seconds,
        "nearest_per_second": options.customers / best["nearest"].seconds,
        "members_per_second": options.customers / best["members"].seconds,
        "share_equal_to_predict": assigned.share_equal_to_predict,
    }
    for name in runs:
        print(f"{name:<26} {best[name].seconds:>12.2f} s {best[name].cpu_seconds:>8.2f} s of CPU")
    for name, value in figures.items():
        print(f"{name:<26} {value:>14,.6g}   {verdict(name, value)}")
    written = {
        "customers": options.customers,
        "features": FEATURES,
        "segments": KINDS,
        "machine": {"cpus": os.cpu_count(), "processor": platform.machine(), "threads": THREADS},
        "figures": figures,
        "seconds": {name: [one.seconds for one in found] for name, found in runs.items()},
        "cpu_seconds": {name: [one.cpu_seconds for one in found] for name, found in runs.items()},
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    return 0


def drawn(customers: int) -> pd.DataFrame:
    """Inputs of one segmentation: customers of planted kinds, unequally many and wide, some gaps.

    Columns as of `segmentation_inputs`.
    """
    random = np.random.default_rng(SEED)
    shares = np.arange(KINDS, 0, -1) / sum(range(KINDS + 1))
    centres = random.normal(0, DISTANCE, (KINDS, FEATURES))
    widths = random.uniform(0.6, 1.4, (KINDS, FEATURES))
    kinds = random.choice(KINDS, customers, p=shares)
    values = centres[kinds] + widths[kinds] * random.normal(size=(customers, FEATURES))
    values[random.random(values.shape) < GAPS] = np.nan
    frame = pd.DataFrame(values, columns=[f"value_{place:02d}" for place in range(1, FEATURES + 1)])
    frame.insert(0, "entity_id", [f"C{row:08d}" for row in range(customers)])
    frame.insert(0, "grain", "customer")
    frame.insert(0, "segmentation", NAME)
    return frame


def fitted(specification: Mapping[str, Any], inputs: pd.DataFrame) -> pd.DataFrame:
    """The fit as a build makes it, from the inputs to the rows of the fit."""
    return fit_missing(
        [specification],
        inputs,
        pd.DataFrame(columns=PERSONA_COLUMNS),
        pd.DataFrame(),
        pd.DataFrame(),
        refit=[],
        as_of_on="2026-06-30",
        random_seed=SEED,
        minimum_overlap=0.5,
    )


def standardised(fit: pd.DataFrame, inputs: pd.DataFrame) -> Floats:
    """All rows as scikit-learn is given them; the way there is not counted for it."""
    _, values = own_inputs(inputs, NAME, FEATURES)
    return np.ascontiguousarray(standardised_by(fit, values))


def peer(rows: Floats) -> KMeans:
    """What an analyst writes: the best of 10 starts, each on all rows."""
    return KMeans(KINDS, n_init=PEER_STARTS, random_state=SEED).fit(rows)


def assignments(
    specification: Mapping[str, Any],
    inputs: pd.DataFrame,
    fit: pd.DataFrame,
    rows: Floats,
    repeats: int,
) -> Assigned:
    """Assign all customers by the SQL of segment_members.

    Timed are the counts of the nearest segments, which is assigning alone; customers and nearest
    segments written to a table of a file; and the whole row of segment_members (with the segment
    under hysteresis, the second nearest, distances and margin).
    """
    query = render_model(
        MEMBERS,
        variables={
            "segmentations": [specification],
            "segmentations_by_source": {"default": [NAME]},
        },
    )
    current = fit.assign(segment_position=fit["segment_id"].rank(method="dense").astype(int))
    with (
        tempfile.TemporaryDirectory() as folder,
        duckdb.connect(f"{folder}/fit.duckdb", config={"threads": THREADS}) as connection,
    ):
        connection.register("inputs", inputs)
        connection.execute("create table segmentation_inputs as from inputs")
        connection.register("current", current)
        connection.execute(
            """
            create table current_fits as from current;
            create table given_segment_members
            (segmentation varchar, grain varchar, entity_id varchar, segment_id bigint);
            create table earlier_segment_members
            (segmentation varchar, entity_id varchar, segment_id bigint)
            """
        )

        def count() -> None:
            connection.execute(
                f"select nearest_segment_id, count(*) from ({query}) group by nearest_segment_id"
            ).fetchall()

        def write(columns: str) -> None:
            connection.execute(
                f"create or replace table members as select {columns} from ({query})"
            )

        counted = [timed(count) for _ in range(repeats)]
        nearest = [timed(write, "entity_id, nearest_segment_id") for _ in range(repeats)]
        whole = [timed(write, "*") for _ in range(repeats)]
        found = connection.sql("select * from members order by entity_id").fetchnumpy()
    centres = np.ascontiguousarray(centres_of(fit))
    model = KMeans(len(centres), init=centres, n_init=1, max_iter=1).fit(centres)
    model.cluster_centers_ = centres
    ids = np.sort(fit["segment_id"].unique())
    segment_ids = np.asarray(found["nearest_segment_id"])
    equal = float(np.mean(segment_ids == ids[model.predict(rows)]))
    return Assigned(counted, nearest, whole, segment_ids, equal)


def timed(call: Callable[..., Any], *arguments: object) -> Timed:
    """Call it once."""
    started, cpu_started = time.monotonic(), time.process_time()
    value = call(*arguments)
    return Timed(value, time.monotonic() - started, time.process_time() - cpu_started)


def verdict(name: str, value: float) -> str:
    """What was to be reached, and whether it was; empty where nothing was."""
    if name not in TARGETS:
        return ""
    sense, limit = TARGETS[name]
    reached = is_reached(name, value)
    return f"target: {sense} {limit:,.6g}; {'met' if reached else 'missed'}"


def is_reached(name: str, value: float) -> bool:
    """Whether a figure's value is within its target."""
    sense, limit = TARGETS[name]
    return value <= limit if sense == "at most" else value >= limit


if __name__ == "__main__":
    raise SystemExit(main())
