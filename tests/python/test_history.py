"""Who was in which segment when: whatever was published, in whatever order, is remembered."""

from __future__ import annotations

import datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from conftest import Build, copy_project, run_dbt
from hypothesis import given, settings
from hypothesis import strategies as st
from rendering import project_vars, render_model

from pipeline import state
from segmentation.fit import fit_missing

HISTORY = "models/segments/segment_history.sql"
EARLIER = "models/segments/earlier_segment_members.sql"
MIGRATIONS = "models/health/history/int_expected_migrations.sql"
CHANGES = "models/marts/segments/segment_metric_changes.sql"
EVENTS = "models/health/history/segment_events.sql"
DAYS = [datetime.date(2026, month, 1) for month in range(1, 6)]
PROJECT = Path(__file__).resolve().parents[2]


# --- history, whatever the order of publishes ---


def published(builds: list[tuple[int, dict[str, int]]]) -> pd.DataFrame:
    """Publish memberships as of days, one after the other; what segment_history is in the end."""
    with duckdb.connect() as connection:
        connection.execute("""
            create schema state;
            create table state.segment_history (segmentation varchar, grain varchar,
                entity_id varchar, valid_from date, segment_id bigint, fit_id varchar);
            create table state.segment_versions (segmentation varchar, as_of_on date);
            create table as_of (as_of_on date);
            create table segment_members
                (segmentation varchar, grain varchar, entity_id varchar, segment_id bigint,
                fit_id varchar);
        """)
        connection.execute(f"create view earlier_segment_members as {render_model(EARLIER)}")
        history = render_model(HISTORY)
        for day, members in builds:
            connection.execute("delete from as_of; delete from segment_members")
            connection.execute("insert into as_of values (?)", [DAYS[day]])
            for entity, segment in members.items():
                connection.execute(
                    "insert into segment_members values ('s', 'customer', ?, ?, 'f')",
                    [entity, segment],
                )
            connection.execute(f"create table new_history as {history}")
            connection.execute("drop table state.segment_history")
            connection.execute("create table state.segment_history as from new_history")
            connection.execute("drop table new_history")
            connection.execute(
                "insert into state.segment_versions select 's', as_of_on from as_of "
                "where as_of_on not in (select as_of_on from state.segment_versions)"
            )
        return connection.sql("from state.segment_history order by entity_id, valid_from").df()


def remembered(history: pd.DataFrame, day: datetime.date) -> dict[str, int]:
    """Who was in which segment on a day, according to history."""
    known = history[history["valid_from"] <= pd.Timestamp(day)]
    last = known.sort_values("valid_from").groupby("entity_id")["segment_id"].last()
    return {str(entity): int(segment) for entity, segment in last.items() if segment > 0}


MEMBERS = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3), min_size=1)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), MEMBERS), min_size=1, max_size=7))
def test_every_published_day_is_remembered_whatever_the_order(
    builds: list[tuple[int, dict[str, int]]],
) -> None:
    history = published(builds)
    for day, members in dict(builds).items():
        assert remembered(history, DAYS[day]) == members
    assert not history.duplicated(["entity_id", "valid_from"]).any()
    # No row says again what the one before said.
    before = history.groupby("entity_id")["segment_id"].shift(fill_value=0)
    assert (history["segment_id"] != before).all()


def test_the_order_of_publishes_leaves_no_trace() -> None:
    builds = [(0, {"a": 1, "b": 2}), (1, {"a": 2, "c": 1}), (2, {"a": 1, "b": 2, "c": 1})]
    forwards = published(builds)
    pd.testing.assert_frame_equal(published([builds[2], builds[0], builds[1]]), forwards)
    pd.testing.assert_frame_equal(published([*builds, builds[1]]), forwards)
    assert remembered(forwards, DAYS[1]) == {"a": 2, "c": 1}


# --- what only jitters at a border is not movement ---


def expected_and_observed(seed: int, drift: float) -> tuple[float, float, int, int]:
    """Customers between two centres, read twice with noise; moves from 1 to 2 and from 2 to 1."""
    random = np.random.default_rng(seed)
    count = 4_000
    place = random.normal(0, 1, count)
    frames = []
    for day, shift in ((DAYS[0], 0.0), (DAYS[1], drift)):
        seen = place + shift + random.normal(0, 0.15, count)
        distances = np.stack([abs(seen + 2), abs(seen - 2)])
        near, far = np.sort(distances, axis=0)
        frames.append(
            pd.DataFrame(
                {
                    "segmentation": "s",
                    "entity_id": [f"C{number}" for number in range(count)],
                    "as_of_on": pd.Timestamp(day),
                    "segment_id": 1 + distances.argmin(axis=0),
                    "second_segment_id": 2 - distances.argmin(axis=0),
                    "distance": near,
                    "second_distance": far,
                }
            )
        )
    sql = render_model(MIGRATIONS, variables={"assignment_hysteresis": 0.0})
    with duckdb.connect() as connection:
        connection.register("margins_of_both", pd.concat(frames))
        connection.execute("create table segment_margins as from margins_of_both")
        connection.register("segment_members", frames[1])
        connection.execute(f"create table as_of as select date '{DAYS[1]}' as as_of_on")
        found = connection.sql(sql).df().set_index(["from_segment_id", "to_segment_id"])
    was, now = frames[0]["segment_id"], frames[1]["segment_id"]
    return (
        found["expected_count"].get((1, 2), 0.0),
        found["expected_count"].get((2, 1), 0.0),
        int(((was == 1) & (now == 2)).sum()),
        int(((was == 2) & (now == 1)).sum()),
    )


def test_jitter_alone_is_expected_and_drift_is_not() -> None:
    still = [expected_and_observed(seed, 0.0) for seed in range(20)]
    expected = np.mean([(row[0] + row[1]) / 2 for row in still])
    observed = np.mean([(row[2] + row[3]) / 2 for row in still])
    assert observed > 50
    assert expected == pytest.approx(observed, rel=0.15)
    for row in still:
        assert row[2] == pytest.approx(row[0], abs=4 * np.sqrt(row[0]))
    for seed in range(5):
        up, down, moved_up, moved_down = expected_and_observed(seed, 0.3)
        assert moved_up > 1.3 * up
        assert moved_down < 0.7 * down


# --- events ---


def events(
    earlier: dict[int, str], now: dict[int, str], moved: dict[tuple[int, int], int], refit: bool
) -> list[tuple[int, str, int | None]]:
    """The events of segments (id to name) whose members moved as given."""
    pairs = pd.DataFrame(
        [
            ("s", segment, now.get(segment), earlier.get(segment), "new" if refit else "old")
            for segment in sorted({*earlier, *now})
        ],
        columns=["segmentation", "segment_id", "segment_name", "earlier_segment_name", "fit_id"],
    ).assign(
        earlier_fit_id="old",
        as_of_on=pd.Timestamp(DAYS[1]),
        earlier_as_of_on=pd.Timestamp(DAYS[0]),
        entity_count=1,
        earlier_entity_count=1,
    )
    transitions = pd.DataFrame(
        [("s", *key, count) for key, count in moved.items()],
        columns=["segmentation", "from_segment_id", "to_segment_id", "entity_count"],
    )
    sent = transitions.groupby("from_segment_id")["entity_count"].transform("sum")
    received = transitions.groupby("to_segment_id")["entity_count"].transform("sum")
    shared = transitions["entity_count"]
    transitions = transitions.assign(
        share_of_from=shared / sent,
        share_of_to=shared / received,
        overlap=shared / (sent + received - shared),
    )
    with duckdb.connect() as connection:
        connection.register("int_segment_pairs_of_dates", pairs)
        connection.register("int_segment_transitions", transitions)
        connection.execute(f"""
            create schema state;
            create table as_of as select date '{DAYS[1]}' as as_of_on;
            create table segments as select 's' as segmentation;
            create table state.segment_events (segmentation varchar, as_of_on date,
                segment_id bigint, event varchar, related_segment_id bigint, segment_name varchar,
                earlier_segment_name varchar, earlier_entity_count bigint, entity_count bigint,
                shared_count bigint, overlap double, earlier_as_of_on date, earlier_fit_id varchar,
                fit_id varchar)
        """)
        rows = connection.sql(
            f"select segment_id, event, related_segment_id from ({render_model(EVENTS)}) "
            "order by all"
        ).fetchall()
    return rows


def test_without_a_refit_segments_are_at_most_renamed() -> None:
    moved = {(1, 1): 60, (1, 2): 40, (2, 2): 100}
    assert events({1: "A", 2: "B"}, {1: "A", 2: "B"}, moved, refit=False) == []
    assert events({1: "A", 2: "B"}, {1: "A", 2: "C"}, moved, refit=False) == [(2, "renamed", None)]


def test_a_refit_keeps_bears_and_buries_segments() -> None:
    moved = {(1, 1): 95, (1, 3): 5, (2, 3): 10, (2, 1): 5}
    assert events({1: "A", 2: "B"}, {1: "A", 3: "C"}, moved, refit=True) == [
        (1, "kept", None),
        (2, "died", None),
        (3, "born", None),
    ]


def test_a_refit_splits_and_merges() -> None:
    split = {(1, 3): 50, (1, 4): 50, (2, 2): 100}
    assert events({1: "A", 2: "B"}, {2: "B", 3: "C", 4: "D"}, split, refit=True) == [
        (1, "died", None),
        (1, "split", 3),
        (1, "split", 4),
        (2, "kept", None),
        (3, "born", None),
        (4, "born", None),
    ]
    merged = {(1, 1): 60, (2, 1): 40, (3, 3): 10}
    names = {1: "A", 2: "B", 3: "C"}
    assert events(names, {1: "A", 3: "C"}, merged, refit=True) == [
        (1, "kept", None),
        (1, "merged", 2),
        (2, "died", None),
        (3, "kept", None),
    ]


# --- the demo: publishes, a refit, a new machine ---

SELECTED = ["+customer_segment_history", "+segment_events", "+segment_migrations", "fit_choices"]


class Machine:
    """A copy of the project with its own build file and the state it publishes."""

    def __init__(self, folder: Path, state_folder: Path) -> None:
        self.folder = folder
        self.state_folder = state_folder
        copy_project(folder)

    def build(self, as_of: str, **environment: str) -> None:
        run_dbt(
            self.folder,
            "run",
            "--select",
            *SELECTED,
            AS_OF=as_of,
            STATE=str(self.state_folder),
            **environment,
        )

    def publish(self) -> None:
        """Export the state, which `make publish` does beside publishing."""
        about = {"source_name": "demo", "raw_data": "", "as_of_on": ""}
        with duckdb.connect() as connection:
            path = self.folder / "build/dev/demo/warehouse.duckdb"
            connection.execute(f"attach '{path}' as warehouse (read_only)")
            target = self.state_folder / "dev" / "demo"
            key = f"state_{len(list(target.glob('*')))}"
            with state.written(connection, "warehouse", target, about, key) as export:
                export.put_in_place()

    def ask(self, sql: str) -> pd.DataFrame:
        path = self.folder / "build/dev/demo/warehouse.duckdb"
        with duckdb.connect(str(path), read_only=True) as connection:
            return connection.sql(sql).df()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    folder = tmp_path_factory.mktemp("history")
    machine = Machine(folder / "project", folder / "state")
    run_dbt(machine.folder, "seed", STATE=str(machine.state_folder))
    return machine


@pytest.mark.long
def test_the_demo_remembers_its_months_a_refit_and_the_way_back(
    machine: Machine, tmp_path: Path
) -> None:
    memberships = {}
    # June, May made up for later, and June again.
    for as_of in ("2026-04-30", "2026-06-30", "2026-05-31", "2026-06-30"):
        machine.build(as_of)
        memberships[as_of] = machine.ask(
            "select entity_id, segment_id from customers.segment_members "
            "where segmentation = 'behaviour'"
        ).set_index("entity_id")["segment_id"]
        machine.publish()
    history = machine.ask("from customers.customer_segment_history")
    for as_of, members in memberships.items():
        day = pd.Timestamp(as_of)
        valid = history[
            (history["segmentation"] == "behaviour")
            & (history["valid_from"] <= day)
            & (history["valid_to"].isna() | (history["valid_to"] > day))
        ]
        found = valid.set_index("customer_id")["segment_id"]
        pd.testing.assert_series_equal(
            found.sort_index(), members.sort_index(), check_names=False, check_dtype=False
        )
    assert history[history["is_open"]]["customer_id"].is_unique
    assert history["segment_name"].notna().all()
    migrations = machine.ask("from marts.segment_migrations where segmentation = 'behaviour'")
    last = migrations[migrations["as_of_on"] == "2026-06-30"]
    before, now = memberships["2026-05-31"], memberships["2026-06-30"]
    both = now.index.intersection(before.index)
    moved = now.loc[both] != before.loc[both]
    off_diagonal = last[last["from_segment_id"] != last["to_segment_id"]]
    assert off_diagonal["entity_count"].sum() == moved.sum() > 0
    first_fit = machine.ask("select distinct fit_id from segments.current_fits").sort_values(
        "fit_id"
    )

    # A new machine to which only the state was copied makes the same tables.
    other = Machine(tmp_path / "project", machine.state_folder)
    run_dbt(other.folder, "seed", STATE=str(other.state_folder))
    other.build("2026-06-30")
    for table in (
        "segments.segment_fits",
        "segments.fit_choices",
        "segments.segment_history",
        "marts.segment_migrations",
        "health.segment_versions",
    ):
        expected, found = (one.ask(f"from {table} order by all") for one in (machine, other))
        pd.testing.assert_frame_equal(found, expected)

    # A refit on other data keeps the ids; going back gives the same members as before.
    machine.build("2026-05-31", SEGMART_REFIT="behaviour")
    choices = machine.ask("from segments.fit_choices where segmentation = 'behaviour'")
    assert choices["choice_reason"].tolist() == ["fit", "fit"]
    kept = machine.ask("from health.segment_events where as_of_on = '2026-05-31'")
    assert kept["event"].tolist() == ["kept"] * 4
    assert (kept["overlap"] > 0.9).all()
    (fit_id,) = [fit for fit in first_fit["fit_id"] if fit.startswith("behaviour")]
    machine.build("2026-06-30", SEGMART_FIT=fit_id)
    back = machine.ask("select distinct fit_id from segments.current_fits").sort_values("fit_id")
    assert back["fit_id"].tolist() == first_fit["fit_id"].tolist()
    members = machine.ask(
        "select entity_id, segment_id from customers.segment_members "
        "where segmentation = 'behaviour'"
    ).set_index("entity_id")["segment_id"]
    pd.testing.assert_series_equal(members.sort_index(), memberships["2026-06-30"].sort_index())


# --- identity, over bootstrap samples of the demo ---


def test_a_hundred_refits_of_bootstrap_samples_keep_the_four_ids(demo_build: Build) -> None:
    with duckdb.connect(str(demo_build.path), read_only=True) as connection:
        inputs = connection.sql(
            "from segments.segmentation_inputs where segmentation = 'behaviour' order by entity_id"
        ).df()
        personas = connection.sql("from seeds.personas").df()
        fits = connection.sql("from segments.segment_fits where segmentation = 'behaviour'").df()
        members = connection.sql(
            "select segmentation, entity_id, segment_id from customers.segment_members "
            "where segmentation = 'behaviour' order by entity_id"
        ).df()
    (specification,) = [
        one for one in project_vars()["segmentations"] if one["name"] == "behaviour"
    ]
    width = len(specification["features"])
    values = inputs[[f"value_{place:02d}" for place in range(1, width + 1)]].to_numpy(float)
    random = np.random.default_rng(20260630)
    kept, agreed = 0, []
    for seed in range(100):
        drawn = random.integers(0, len(inputs), len(inputs))
        sample = inputs.iloc[drawn].assign(entity_id=[f"D{row}" for row in range(len(drawn))])
        known = members.iloc[drawn].assign(entity_id=sample["entity_id"].to_numpy())
        new = fit_missing(
            [specification],
            sample,
            personas,
            fits,
            known,
            refit=["behaviour"],
            as_of_on="2026-07-31",
            random_seed=seed,
            minimum_overlap=project_vars()["identity_minimum_overlap"],
        )
        ids = np.sort(new["segment_id"].unique())
        kept += ids.tolist() == [1, 2, 3, 4]
        by_feature = new.drop_duplicates("feature_position").sort_values("feature_position")
        filled = np.where(np.isfinite(values), values, by_feature["fill_value"].to_numpy())
        rows = (filled - by_feature["shift"].to_numpy()) / by_feature["scale"].to_numpy()
        centres = new.pivot(index="segment_id", columns="feature_position", values="centre")
        distances = ((rows[:, np.newaxis] - centres.to_numpy()[np.newaxis]) ** 2).sum(axis=2)
        agreed.append((ids[distances.argmin(axis=1)] == members["segment_id"]).mean())
    assert kept >= 99
    assert np.mean(agreed) >= 0.99, np.mean(agreed)


# --- changes of figures ---

CELLS = st.dictionaries(
    st.integers(1, 4), st.tuples(st.floats(0, 1e6), st.integers(1, 10_000)), min_size=1
)


@settings(max_examples=60, deadline=None)
@given(CELLS, CELLS)
def test_a_figures_change_is_what_segments_and_their_mix_did(
    earlier: dict[int, tuple[float, int]], now: dict[int, tuple[float, int]]
) -> None:
    sums = pd.DataFrame(
        [
            ("s", pd.Timestamp(day), segment, "m", "f", None, y, float(x))
            for day, cells in ((DAYS[0], earlier), (DAYS[1], now))
            for segment, (y, x) in cells.items()
        ],
        columns=[
            *("segmentation", "as_of_on", "segment_id", "mart", "metric", "cell"),
            *("metric_numerator", "metric_denominator"),
        ],
    )
    with duckdb.connect() as connection:
        connection.register("sums", sums)
        connection.execute(f"""
            create schema state;
            create table segment_metric_sums as
            select * replace (cast(as_of_on as date) as as_of_on, cast(cell as varchar) as cell)
            from sums;
            create table as_of as select date '{DAYS[1]}' as as_of_on;
            create table segments as select 's' as segmentation;
            create table int_segment_pairs_of_dates as
            select 's' as segmentation, date '{DAYS[0]}' as earlier_as_of_on,
                date '{DAYS[1]}' as as_of_on;
            create table state.segment_metric_changes (segmentation varchar, mart varchar,
                metric varchar, cell varchar, earlier_as_of_on date, as_of_on date,
                earlier_figure double, figure_over_all double, change double, within_change double,
                mix_change double, interaction_change double, earlier_metric_denominator double,
                metric_denominator double)
        """)
        (row,) = connection.sql(render_model(CHANGES)).df().to_dict("records")
    before, after = (
        sum(y for y, _ in cells.values()) / sum(x for _, x in cells.values())
        for cells in (earlier, now)
    )
    scale = 1 + abs(before) + abs(after)
    assert row["earlier_figure"] == pytest.approx(before, rel=1e-12)
    assert row["figure_over_all"] == pytest.approx(after, rel=1e-12)
    parts = row["within_change"] + row["mix_change"] + row["interaction_change"]
    assert abs(parts - row["change"]) <= 1e-9 * scale
    weights = {
        segment: tuple(
            cells.get(segment, (0, 0))[1] / sum(x for _, x in cells.values())
            for cells in (earlier, now)
        )
        for segment in {*earlier, *now}
    }
    rates = {
        segment: tuple(
            cells[segment][0] / cells[segment][1] if segment in cells else over_all
            for cells, over_all in ((earlier, before), (now, after))
        )
        for segment in weights
    }
    within = sum(weights[one][0] * (rates[one][1] - rates[one][0]) for one in weights)
    assert abs(row["within_change"] - within) <= 1e-9 * scale
    mix = sum((weights[one][1] - weights[one][0]) * rates[one][0] for one in weights)
    assert abs(row["mix_change"] - mix) <= 1e-9 * scale
