"""The next test: who is drawn, what is written, what is refused, and that its effect comes back.

The demo is published into a folder of its own; what is eligible is recomputed with pandas from the
build's staging. The round trip hands the files in beside the demo's, with responses simulated from
a planted effect.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml  # type: ignore[import-untyped]
from conftest import PROJECT, Build, copy_project, run_dbt
from rendering import project_vars

from pipeline.audience import Request, write_audience
from pipeline.publish import publish
from pipeline.sentences import UserError
from pipeline.settings import Settings
from segmentation.arms import CAMPAIGN, HOLDOUT, NOT_DRAWN, draw_arms

VARS = project_vars()
CROSS_SELL = "demo_cross_sell_investment"
FIRST_DAY = "2026-07-01"
HOSTILE = [
    "=cmd()", "a'b", 'a"b', "a,b", "line\nbreak", "; drop", "😀", "أب", "x" * 10_000, "null",
    "NaN", "007", "a|b", "{{ 1 / 0 }}", "\\", "C\x00D", "1e5", "true", '"', "a:b",
]  # fmt: skip
Write = Callable[..., Path]

# --- the lot ---


def sizes(strata: np.ndarray, arms: np.ndarray, arm: int) -> np.ndarray:
    return np.bincount(strata[arms == arm], minlength=strata.max() + 1)


@pytest.mark.parametrize("per_arm", [1, 7, 50, 333, 499, 500])
def test_arms_have_the_asked_size_and_every_stratum_its_share(per_arm: int) -> None:
    strata = np.repeat([0, 1, 2, 3], [3, 7, 190, 800])
    ids = [f"C{number}" for number in range(1000)]
    arms = draw_arms(ids, strata.tolist(), per_arm, [1])
    treated, held_out = sizes(strata, arms, CAMPAIGN), sizes(strata, arms, HOLDOUT)
    assert treated.sum() == held_out.sum() == per_arm
    assert (arms == NOT_DRAWN).sum() == 1000 - 2 * per_arm
    share = 2 * per_arm * np.array([3, 7, 190, 800]) / 1000
    assert (np.abs(treated + held_out - share) < 1).all()
    assert (np.abs(treated - held_out) <= 1).all()


def test_the_draw_depends_on_the_ids_and_the_seed_not_on_their_order() -> None:
    ids = [f"C{number}" for number in range(500)]
    strata = [number % 3 for number in range(500)]
    arms = dict(zip(ids, draw_arms(ids, strata, 100, [5, 7]), strict=True))
    order = np.random.default_rng(0).permutation(500)
    other_order = [ids[place] for place in order]
    again = draw_arms(other_order, [strata[place] for place in order], 100, [5, 7])
    assert dict(zip(other_order, again, strict=True)) == arms
    other_seed = dict(zip(ids, draw_arms(ids, strata, 100, [5, 8]), strict=True))
    assert other_seed != arms


def test_every_member_of_a_stratum_has_the_same_chance_of_each_arm() -> None:
    """4,000 draws of 1 and 3 from strata of 2 and 5; a fair lot is refused once in 10,000 times."""
    ids, strata = list("abcdefg"), [0, 0, 1, 1, 1, 1, 1]
    draws = np.array([draw_arms(ids, strata, 2, [seed]) for seed in range(4000)])
    for arm in (CAMPAIGN, HOLDOUT):
        shares = (draws == arm).mean(axis=0)
        for members in (slice(0, 2), slice(2, 7)):
            expected = (draws[:, members] != NOT_DRAWN).mean() / 2
            error = np.sqrt(expected * (1 - expected) / 4000)
            # Of 14 shares the largest of as many normal draws is beyond 4.5 once in 10,000.
            assert (np.abs(shares[members] - expected) < 4.5 * error).all(), shares


def test_what_cannot_be_drawn_is_an_error() -> None:
    for ids, per_arm in ((["a", "b", "c"], 2), (["a", "b"], 0), (["a", "a", "b"], 1)):
        with pytest.raises(ValueError):
            draw_arms(ids, [0] * len(ids), per_arm, [0])


# --- the published demo ---


@pytest.fixture(scope="module")
def home(demo_build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with the demo published in it; read only."""
    folder = tmp_path_factory.mktemp("audience") / "project"
    settings = Settings.from_environment({}, demo_build.folder)
    file = folder / settings.build_file.relative_to(demo_build.folder)
    file.parent.mkdir(parents=True)
    shutil.copyfile(demo_build.path, file)
    shutil.copyfile(PROJECT / "dbt_project.yml", folder / "dbt_project.yml")
    here = Settings.from_environment({}, folder)
    with duckdb.connect(str(file), read_only=True) as connection:
        (found,) = connection.execute("select build_id from internal.build_state").fetchall()
    here.gate_file.write_text(json.dumps({"build_id": found[0], "success": True}))
    publish(here)
    return folder


@pytest.fixture
def copied(home: Path, tmp_path: Path) -> Path:
    """A copy of the published demo, to change."""
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copyfile(home / "dbt_project.yml", folder / "dbt_project.yml")
    shutil.copytree(home / "published", folder / "published", symlinks=True)
    return folder


def written(root: Path, **environment: str) -> list[str]:
    settings = Settings.from_environment(environment, root)
    return write_audience(Request.from_environment(environment, settings), settings)


@pytest.fixture
def write(home: Path, tmp_path: Path) -> Write:
    """Writes the test of the cross-selling recommendation, or of another; gives its folder."""

    def make(name: str = "next", root: Path = home, **environment: str) -> Path:
        out = tmp_path / name
        written(root, **{"RECOMMENDATION": CROSS_SELL, "OUT": str(out), **environment})
        return out

    return make


def read(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def contactable(build: Path) -> pd.DataFrame:
    """Customers as of the as-of date, from staging, and the segment each may be drawn from."""
    with duckdb.connect(str(build), read_only=True) as connection:
        customers = connection.sql("from staging.stg_customers").df()
        engagements = connection.sql("from staging.stg_campaign_engagements").df()
        segments = connection.sql("from customers.customer_segments").df()
        (as_of,) = connection.sql("select as_of_on from staging.as_of").fetchall()[0]
    today = pd.Timestamp(as_of)
    # Nobody is contacted on a guess: whose birth year is unknown is not known to be an adult.
    is_adult = today.year - customers["birth_year"] >= VARS["minimum_marketing_age"]
    has_agreed = customers["marketing_consent"].fillna(False)
    assert (customers["birth_year"].isna() & has_agreed).any()
    agreed = customers[is_adult.fillna(False) & has_agreed]
    shown = engagements[engagements["impressions"] > 0]
    lately = shown[shown["occurred_on"] > today - pd.Timedelta(days=VARS["contact_days"])]
    days = lately.groupby("customer_id")["occurred_on"].nunique()
    too_often = days[days >= VARS["contact_limit"]].index
    assert len(too_often) > 0
    free = agreed[~agreed["customer_id"].isin(too_often)]
    return segments[segments["customer_id"].isin(free["customer_id"])].set_index("customer_id")


def test_arms_are_of_the_size_asked_for_and_of_those_who_may_be_contacted(
    demo_build: Build, home: Path, write: Write
) -> None:
    out = write()
    rows = read(out / "campaign_engagements.csv")
    with duckdb.connect(str(home / "published" / "warehouse.duckdb"), read_only=True) as file:
        ((asked,),) = file.execute(
            "select customers_per_arm from evidence.recommendations_v2 where strategy_id = ?",
            [CROSS_SELL],
        ).fetchall()
    assert rows["is_holdout"].value_counts().to_dict() == {"true": asked, "false": asked}
    assert rows["customer_id"].is_unique and rows["engagement_id"].is_unique
    eligible = contactable(demo_build.path)["segment_id"]
    assert len(eligible) > 2 * asked
    assert set(rows["customer_id"]) < set(eligible.index)
    of_segment = eligible.value_counts()
    for held_out in ("true", "false"):
        drawn = eligible[rows.loc[rows["is_holdout"] == held_out, "customer_id"]].value_counts()
        share = asked * of_segment / of_segment.sum()
        assert ((drawn - share).abs() <= 1).all(), (drawn, share)
    assert (rows["impressions"] == "0").all() and (rows["occurred_on"] == FIRST_DAY).all()


def test_a_segments_test_is_drawn_from_that_segment(demo_build: Build, write: Write) -> None:
    out = write(RECOMMENDATION="demo_instagram_offers", SIZE="300")
    rows = read(out / "campaign_engagements.csv")
    eligible = contactable(demo_build.path)
    names = eligible.loc[rows["customer_id"], "segment_name"]
    assert names.unique().tolist() == ["Value-Driven Frequent Users"]
    assert (rows["channel"] == "instagram").all() and len(rows) == 600
    # As many as there are, and not one more.
    most = int((eligible["segment_name"] == "Value-Driven Frequent Users").sum()) // 2
    every = write("all", RECOMMENDATION="demo_instagram_offers", SIZE=str(most))
    assert len(read(every / "campaign_engagements.csv")) == 2 * most
    with pytest.raises(UserError, match=f"at most {most}"):
        write("more", RECOMMENDATION="demo_instagram_offers", SIZE=str(most + 1))


def test_the_campaign_is_the_recommendations(write: Write) -> None:
    (row,) = read(write() / "campaigns.csv").to_dict("records")
    assert row == {
        "campaign_id": f"{CROSS_SELL}_{FIRST_DAY}",
        "campaign_name": "Offer investment products to customers with savings.",
        "objective": "conversion",
        "product": "investment",
        "starts_on": FIRST_DAY,
        "ends_on": "2026-08-14",
        "budget_amount": "",
        "planned_holdout_share": "0.5",
        "currency": "",
        "updated_at": "",
        "is_deleted": "",
    }
    given = {"CAMPAIGN": "N1", "STARTS_ON": "2026-07-10", "ENDS_ON": "2026-07-20", "SIZE": "10"}
    out = write("given", **given, PRODUCT="savings", CHANNEL="sms")
    (row,) = read(out / "campaigns.csv").to_dict("records")
    assert (row["campaign_id"], row["starts_on"], row["ends_on"], row["product"]) == (
        "N1", "2026-07-10", "2026-07-20", "savings",
    )  # fmt: skip
    assert set(read(out / "campaign_engagements.csv")["channel"]) == {"sms"}


def test_the_files_have_every_column_of_the_contract(write: Write) -> None:
    contract = yaml.safe_load((PROJECT / "seeds" / "_raw.yml").read_text(encoding="utf-8"))
    out = write()
    for name in ("campaigns", "campaign_engagements"):
        (seed,) = (one for one in contract["seeds"] if one["name"] == f"raw_{name}")
        columns = [column["name"] for column in seed["columns"]]
        assert list(read(out / f"{name}.csv").columns) == columns


def test_the_same_seed_writes_the_same_files_in_whatever_order_customers_stand(
    write: Write, copied: Path
) -> None:
    with duckdb.connect(str(copied / "published" / "customers.duckdb")) as connection:
        for table in ("customer_segments", "marketing_contacts"):
            connection.execute(
                f"create or replace table main.{table} as "
                f"select * from customers.main.{table} order by hash(customer_id)"
            )
    files = ("campaigns.csv", "campaign_engagements.csv")
    once, again = write(), write("again", copied)
    first = [(once / name).read_bytes() for name in files]
    assert [(again / name).read_bytes() for name in files] == first
    other_seed = write("seed", SEED="7") / files[1]
    assert other_seed.read_bytes() != first[1]
    # The next test of the same customers does not hold out the same ones again.
    held_out = []
    for campaign in ("one", "two"):
        rows = read(write(campaign, CAMPAIGN=campaign, SIZE="1700") / files[1])
        held_out.append(set(rows.loc[rows["is_holdout"] == "true", "customer_id"]))
    assert 700 < len(held_out[0] & held_out[1]) < 1000


def test_hostile_ids_come_back_as_they_are(write: Write, copied: Path) -> None:
    with duckdb.connect(str(copied / "published" / "customers.duckdb")) as connection:
        for table in ("customer_segments", "marketing_contacts"):
            connection.execute(f"delete from main.{table} where customer_id > 'C00100'")
            for number, text in enumerate(HOSTILE, start=1):
                connection.execute(
                    f"update main.{table} set customer_id = ? where customer_id = ?",
                    [text, f"C{number:05d}"],
                )
        ((eligible,),) = connection.execute(
            "select list(customer_id) from main.marketing_contacts where is_contactable"
        ).fetchall()
    odd = 'K"1", =two\nlines'
    out = write(root=copied, SIZE=str(len(eligible) // 2), CAMPAIGN=odd)
    texts = io.StringIO((out / "campaign_engagements.csv").read_text(encoding="utf-8"), newline="")
    drawn = {row["customer_id"] for row in csv.DictReader(texts)}
    assert len(set(HOSTILE) & drawn) >= 15
    # As macros/cross_db/raw_files.sql reads it.
    columns = {name: "varchar" for name in read(out / "campaign_engagements.csv").columns}
    options = (
        f"auto_detect = false, header = true, columns = {columns}, delim = ',', quote = '\"', "
        "escape = '\"', strict_mode = true, max_line_size = 33554432"
    )
    file = out / "campaign_engagements.csv"
    found = duckdb.sql(
        f"select customer_id, campaign_id from read_csv('{file}', {options})"
    ).fetchall()
    assert {customer_id for customer_id, _ in found} == drawn <= set(eligible)
    assert len(found) == len(drawn) == 2 * (len(eligible) // 2)
    assert {campaign_id for _, campaign_id in found} == {odd}


# --- what is refused ---

REFUSED = {
    "no recommendation": (
        {"RECOMMENDATION": ""}, "RECOMMENDATION is missing; what can be tested here: demo_cap"
    ),
    "an unknown one": (
        {"RECOMMENDATION": "no'body"}, "no recommendation no'body; what can be tested here: demo_"
    ),
    "one that is refuted": (
        {"RECOMMENDATION": "demo_affluent_online"}, "demo_affluent_online is not to be tested: It"
    ),
    "no size anywhere": ({"RECOMMENDATION": "demo_email_offers"}, "with SIZE, at most"),
    "too few customers": (
        {"RECOMMENDATION": "demo_cap_email"}, "may be contacted today; a smaller test is drawn"
    ),
    "too large a size": ({"SIZE": "2000"}, "SIZE asks for 4,000 customers, 2,000 in each"),
    "a size of nothing": ({"SIZE": "0"}, "SIZE is 0; give"),
    "a size that is no number": ({"SIZE": "many"}, "SIZE is many; give"),
    "a negative size": ({"SIZE": "-5"}, "SIZE is -5; give"),
    "half a customer": ({"SIZE": "10.5"}, r"SIZE is 10\.5; give"),
    "a seed that is no number": ({"SEED": "x"}, "SEED is x; give the seed"),
    "no folder": ({"OUT": ""}, "OUT is missing"),
    "no day": ({"STARTS_ON": "2026-02-30"}, "STARTS_ON is 2026-02-30, which is no date"),
    "a start in the past": ({"STARTS_ON": "2026-06-30"}, "known as of 2026-06-30, so it can start"),
    "an end before the start": ({"ENDS_ON": "2026-06-30"}, "before the test starts on 2026-07-01"),
    "the published folder": ({"OUT": "published/next"}, "where the published files are"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_meant_is_one_sentence_and_writes_nothing(
    case: str, home: Path, write: Write, tmp_path: Path
) -> None:
    environment, words = REFUSED[case]
    before = sorted(home.rglob("*"))
    with pytest.raises(UserError, match=words) as refused:
        write(**environment)
    said = str(refused.value)
    assert said.endswith(".") and "\n" not in said
    assert list(tmp_path.iterdir()) == [] and sorted(home.rglob("*")) == before


def test_a_folder_in_use_is_refused_and_left_as_it_was(write: Write, tmp_path: Path) -> None:
    (tmp_path / "next").mkdir()
    (tmp_path / "next" / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="which is not empty"):
        write()
    assert [path.name for path in (tmp_path / "next").iterdir()] == ["notes.txt"]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="which is not a folder"):
        write("file")
    (tmp_path / "empty").mkdir()
    assert (write("empty") / "campaigns.csv").is_file()
    with pytest.raises(UserError, match="cannot be written"):
        write("file/below")
    assert not list(tmp_path.glob(".*"))


def test_nothing_is_drawn_without_what_was_published(copied: Path, write: Write) -> None:
    customers = copied / "published" / "customers.duckdb"
    with duckdb.connect(str(customers)) as connection:
        connection.execute("update health.build_info set input_hash = 'other'")
    with pytest.raises(UserError, match="not of one build"):
        write(root=copied)
    with duckdb.connect(str(customers)) as connection:
        connection.execute("drop table main.marketing_contacts")
        connection.execute("drop table health.build_info")
        connection.execute(f"attach '{copied}/published/warehouse.duckdb' as warehouse (read_only)")
        connection.execute("create table health.build_info as from warehouse.health.build_info")
    with pytest.raises(UserError, match=r"another version of the project \(.*marketing_contacts"):
        write(root=copied)
    customers.unlink()
    with pytest.raises(UserError, match=r"no published/customers\.duckdb: nothing is published"):
        write(root=copied)
    (copied / "published" / "warehouse.duckdb").write_text("no database")
    with pytest.raises(UserError, match=r"published/warehouse\.duckdb cannot be read"):
        write(root=copied)
    shutil.rmtree(copied / "published")
    with pytest.raises(UserError, match=r"no published/warehouse\.duckdb: nothing is published"):
        write(root=copied)


def test_segments_of_card_accounts_have_nobody_to_draw(copied: Path, write: Write) -> None:
    with duckdb.connect(str(copied / "published" / "warehouse.duckdb")) as connection:
        connection.execute(
            "update evidence.recommendations_v2 set segmentation = 'cards', segment_id = 1, "
            "segment_name = 'VIP' where strategy_id = ?",
            [CROSS_SELL],
        )
    with pytest.raises(UserError, match="is for VIP of cards, where no customers are"):
        write(root=copied)


def test_a_smaller_size_is_drawn_and_said(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "small"
    lines = written(home, RECOMMENDATION="demo_cap_email", SIZE="100", OUT=str(out))
    text = "\n".join(lines)
    assert "only a larger change will show" in text and "100 get the campaign" in text
    assert "It names no product" in text
    assert (out / "README.txt").read_text() == text + "\n"
    assert len(read(out / "campaign_engagements.csv")) == 200


def test_the_command_writes_for_its_owner_alone_and_says_no_with_1(
    home: Path, tmp_path: Path
) -> None:
    def command(**environment: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
        return subprocess.run(
            [sys.executable, "-m", "pipeline.audience"],
            cwd=home,
            env=kept | {"PYTHONPATH": str(PROJECT), "RECOMMENDATION": CROSS_SELL} | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    out = tmp_path / "deep" / "next"
    done = command(OUT=str(out))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (out / "README.txt").read_text()
    assert {path.name for path in out.iterdir()} == {
        "campaigns.csv", "campaign_engagements.csv", "README.txt",
    }  # fmt: skip
    assert {stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()} == {0o600}
    refused = command(OUT=str(out))
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
    shutil.rmtree(home / "logs")


# --- the round trip ---

BASE_RATE, LIFT_IF_REACHED, REACH = 0.06, 0.09, 0.9
TRUE_EFFECT = LIFT_IF_REACHED * REACH
Z = 1.959964
CAMPAIGN_ID = 'next "test", 1'


def simulate(plan: Path, raw: Path) -> None:
    """Add what happened after the plan: who was reached, and who opened an investment."""
    rng = np.random.default_rng(11)
    rows = read(plan / "campaign_engagements.csv")
    treated = (rows["is_holdout"] == "false").to_numpy()
    reached = treated & (rng.random(len(rows)) < REACH)
    chance = BASE_RATE + LIFT_IF_REACHED * reached
    # Over all days in which outcomes count: a file that ends before them would tell no effect.
    later = rng.integers(1, VARS["effect_window_days"], len(rows))
    days = pd.Timestamp(FIRST_DAY) + pd.to_timedelta(later, unit="D")
    shown = rows[reached].copy()
    shown["engagement_id"] = "shown " + shown["customer_id"]
    shown["occurred_on"] = "2026-07-02"
    shown["impressions"] = "2"
    shown["clicks"] = rng.integers(0, 2, len(shown)).astype(str)
    shown["cost_amount"] = "0.05"
    shown.to_csv(raw / "campaign_engagements" / "responses.csv", index=False)
    opened = rng.random(len(rows)) < chance
    holdings = pd.DataFrame(
        {
            "holding_id": "next " + rows["customer_id"],
            "customer_id": rows["customer_id"],
            "product": "investment",
            "opened_on": days.strftime("%Y-%m-%d"),
            "closed_on": "",
            "updated_at": "",
        }
    )[opened]
    holdings.to_csv(raw / "product_holdings" / "responses.csv", index=False)


@pytest.fixture(scope="module")
def round_trip(home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The plan's folder, and the build file of the demo's files, the plan and its responses."""
    folder = tmp_path_factory.mktemp("round_trip")
    plan, raw, project = folder / "plan", folder / "raw", folder / "project"
    written(home, RECOMMENDATION=CROSS_SELL, OUT=str(plan), CAMPAIGN=CAMPAIGN_ID)
    raw.mkdir()
    for seed in sorted((PROJECT / "seeds").glob("raw_*.csv")):
        name = seed.stem.removeprefix("raw_")
        if name in ("campaigns", "campaign_engagements", "product_holdings"):
            (raw / name).mkdir()
            shutil.copyfile(seed, raw / name / "demo.csv")
        elif name in ("customers", "transactions", "digital_sessions"):
            shutil.copyfile(seed, raw / f"{name}.csv")
    for name in ("campaigns", "campaign_engagements"):
        shutil.copyfile(plan / f"{name}.csv", raw / name / "next_test.csv")
    simulate(plan, raw)
    copy_project(project)
    # As after a publish of the demo's files alone: what they had, no part may lack.
    settings = Settings.from_environment({"RAW_DATA": str(raw)}, project)
    settings.build_folder.mkdir(parents=True)
    with settings.published_columns_file.open("w", encoding="utf-8") as stream:
        stream.write("entity,column_name\n")
        for path in (*raw.glob("*.csv"), *raw.glob("*/demo.csv")):
            entity = path.stem if path.parent == raw else path.parent.name
            stream.writelines(f"{entity},{column}\n" for column in read(path).columns)
    run_dbt(
        project,
        *("build", "--indirect-selection", "cautious", "--exclude", "resource_type:unit_test"),
        *("--select", "+campaign_effects"),
        RAW_DATA=str(raw),
        AS_OF="2026-09-30",
    )
    return plan, settings.build_file


@pytest.mark.long
def test_a_build_takes_every_row_of_the_plan_as_it_is(round_trip: tuple[Path, Path]) -> None:
    plan, build = round_trip
    rows = read(plan / "campaign_engagements.csv").set_index("engagement_id")
    with duckdb.connect(str(build), read_only=True) as connection:
        found = (
            connection.sql("""
            select engagement_id, customer_id, is_holdout, impressions, row_status, blanked_columns
            from staging.base_campaign_engagements where source_file = 'next_test.csv'
        """)
            .df()
            .set_index("engagement_id")
        )
        campaigns = connection.execute(
            "select product, planned_holdout_share, cast(starts_on as varchar), budget_amount "
            "from staging.stg_campaigns where campaign_id = ?",
            [CAMPAIGN_ID],
        ).fetchall()
    assert (found["row_status"] == "accepted").all() and len(found) == len(rows) > 2000
    assert found["blanked_columns"].isna().all()
    found = found.loc[rows.index]
    assert (found["customer_id"] == rows["customer_id"]).all()
    assert (found["is_holdout"] == (rows["is_holdout"] == "true")).all()
    assert (found["impressions"] == 0).all()
    assert campaigns == [("investment", 0.5, FIRST_DAY, None)]


def difference(build: Path) -> tuple[float, float]:
    """Share of those assigned who opened the product after the start, over the held out; error."""
    with duckdb.connect(str(build), read_only=True) as connection:
        arms = connection.execute(
            """
            select customer_id, bool_or(is_holdout) as is_holdout
            from staging.stg_campaign_engagements where campaign_id = ? group by all
            """,
            [CAMPAIGN_ID],
        ).df()
        opened = connection.execute(
            """
            select distinct customer_id from staging.stg_product_holdings
            where product = 'investment' and opened_on >= cast(? as date)
            """,
            [FIRST_DAY],
        ).df()
    has_opened = arms["customer_id"].isin(opened["customer_id"]).astype(float)
    arm = has_opened.groupby(arms["is_holdout"])
    mean, error = arm.mean(), np.sqrt((arm.var() / arm.count()).sum())
    return float(mean[False] - mean[True]), float(error)


@pytest.mark.long
def test_the_planted_effect_comes_back_with_its_interval(round_trip: tuple[Path, Path]) -> None:
    """Of all customers and of every segment, with the responses of one seed.

    A right build misses one of five intervals with other seeds about every fourth time.
    """
    _, build = round_trip
    effect, error = difference(build)
    assert effect - Z * error > 0
    with duckdb.connect(str(build), read_only=True) as connection:
        found = connection.execute(
            """
            select is_all_customers, itt_effect, itt_effect_low, itt_effect_high, treated_count,
                holdout_count, effect_status
            from evidence.campaign_effects where campaign_id = ? and outcome = 'conversion'
            """,
            [CAMPAIGN_ID],
        ).df()
    overall = found[found["is_all_customers"]].squeeze()
    segments = found[~found["is_all_customers"]]
    assert len(segments) == 4
    assert (found["effect_status"] == "measured").all()
    assert (found["itt_effect_low"] <= TRUE_EFFECT).all()
    assert (found["itt_effect_high"] >= TRUE_EFFECT).all()
    assert overall["treated_count"] == overall["holdout_count"] > 1000
    assert segments[["treated_count", "holdout_count"]].sum().tolist() == [
        overall["treated_count"],
        overall["holdout_count"],
    ]
    assert overall["itt_effect_low"] > 0
    # What was known before explains a part of the chance, never much of the effect.
    assert abs(overall["itt_effect"] - effect) < error
