"""A third segmentation is a specification, persona rows and one features model, and no more.

The build of a copy of the project, to which nothing else was added, has it in every mart that is
generic over segmentations.
"""

from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pytest
from conftest import PROJECT, copy_project, run_dbt

pytestmark = pytest.mark.long

NAME = "engagement"
CHANNELS = ["email", "facebook", "instagram", "twitter"]
PERSONA = "Email Clickers"

# What a bank writes: the features, where they live and what they are made from ...
FEATURES = "".join(
    f"    {channel}_ctr: {{grain: customer, model: int_customer_channel_ctr, raw_columns: "
    "[campaign_engagements.channel, campaign_engagements.clicks, "
    "campaign_engagements.impressions]}\n"
    for channel in CHANNELS
)
# ... the specification ...
SPECIFICATION = f"""    - name: {NAME}
      grain: customer
      k: auto
      k_range: [2, 8]
      allow_protected:
        reason: groups by how each channel is answered, to write for them; says nothing of clicks
        features: [{", ".join(f"{channel}_ctr" for channel in CHANNELS)}]
      features:
""" + "".join(
    f"        - {{name: {channel}_ctr, transform: sqrt, missing: mean}}\n" for channel in CHANNELS
)
# ... and the features model.
MODEL = """{% set channels = ['email', 'facebook', 'instagram', 'twitter'] %}

select
    customer_id
    {%- for channel in channels %},
    sum(case when channel = '{{ channel }}' then click_count end)
        / sum(case when channel = '{{ channel }}' then cast(impression_count as double) end)
        as {{ channel }}_ctr
    {%- endfor %}
from {{ ref('int_customer_channel_engagement') }}
group by customer_id
"""
PERSONAS = "".join(
    f"{NAME},{PERSONA},Clicks on emails more than others.,{channel}_ctr,{int(channel == 'email')},"
    "marketing,2026-07-01\n"
    for channel in CHANNELS
)
# Sentences and a strategy, as of any segmentation, so that the ledger has something to judge.
COLUMNS = (PROJECT / "seeds" / "raw_claims.csv").read_text(encoding="utf-8").splitlines()[0]
CLAIMS = [
    {"claim_id": "third_clicks", "mart": "segment_engagement", "metric": "ctr"},
    {
        "claim_id": "third_email",
        "mart": "segment_channel_engagement",
        "metric": "ctr",
        "channel": "email",
    },
    {
        "claim_id": "third_deposits",
        "mart": "segment_transactions",
        "metric": "amount_per_customer",
        "transaction_type": "deposit",
    },
]
CLAIM = {
    "source": "demo",
    "sentence": "They do it more.",
    "claim_type": "more_than",
    "segmentation": NAME,
    "segment": PERSONA,
    "compared_with": "rest",
    "read_as": "The figure is larger.",
}
STRATEGY = (
    f"third_first,demo,{NAME},{PERSONA},Write to them first.,segment_engagement,ctr,,0.1,own\n"
)

# Marts with a column segmentation in which a segmentation of customers has no rows of its own.
EXCEPTIONS = {
    "marts.card_segment_risk": "of card accounts alone",
    "marts.segment_overlaps": "its segmentation is of what customers own; customer_segmentation",
    "marts.segment_migrations": "nothing was published before",
    "marts.segment_metric_changes": "nothing was published before",
}


@pytest.fixture(scope="module")
def third(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's build with the third segmentation."""
    folder = tmp_path_factory.mktemp("third") / "project"
    copy_project(folder)
    project = folder / "dbt_project.yml"
    text = project.read_text(encoding="utf-8")
    for before, added in {
        "    balance: {grain: card_account": FEATURES,
        "    - name: behavioural_study\n": SPECIFICATION,
    }.items():
        assert text.count(before) == 1
        text = text.replace(before, added + before)
    running = "    default: [behaviour, cards]\n"
    assert text.count(running) == 1
    text = text.replace(running, f"    default: [behaviour, cards, {NAME}]\n")
    project.write_text(text, encoding="utf-8")
    model = folder / "models" / "intermediate" / "int_customer_channel_ctr.sql"
    model.write_text(MODEL, encoding="utf-8")
    for seed, rows in {
        "personas": PERSONAS,
        "raw_claims": "".join(
            ",".join((CLAIM | claim).get(column, "") for column in COLUMNS.split(",")) + "\n"
            for claim in CLAIMS
        ),
        "strategies": STRATEGY,
        "strategy_claims": "third_first,third_clicks\n",
    }.items():
        with (folder / "seeds" / f"{seed}.csv").open("a", encoding="utf-8") as file:
            file.write(rows)
    run_dbt(folder, "build")
    return folder / "build" / "dev" / "demo" / "warehouse.duckdb"


def ask(path: Path, sql: str) -> pd.DataFrame:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.sql(sql).df()


def test_it_is_in_every_mart_that_is_generic_over_segmentations(third: Path) -> None:
    listed = ask(
        third,
        """
        select table_schema || '.' || table_name as mart
        from information_schema.columns
        where column_name = 'segmentation' and table_schema in ('marts', 'evidence', 'customers')
        order by mart
        """,
    )["mart"]
    assert len(listed) > 25
    assert set(EXCEPTIONS) <= set(listed)
    lacking = []
    for mart in listed:
        found = set(ask(third, f"select distinct segmentation from {mart}")["segmentation"])
        assert mart in EXCEPTIONS or "behaviour" in found, mart
        if (NAME in found) == (mart in EXCEPTIONS):
            lacking.append(mart)
    assert lacking == []
    overlaps = ask(third, "select distinct customer_segmentation from marts.segment_overlaps")
    assert set(overlaps["customer_segmentation"]) == {"behaviour", NAME}


def test_every_customer_is_in_it_by_what_the_features_model_says(third: Path) -> None:
    inputs = ask(third, f"from segments.segmentation_inputs where segmentation = '{NAME}'")
    customers = ask(third, "select customer_id from staging.stg_customers")["customer_id"]
    assert sorted(inputs["entity_id"]) == sorted(customers)
    reached = ask(
        third,
        """
        select engagements.customer_id, engagements.channel,
            sum(engagements.clicks) / sum(engagements.impressions) as ctr
        from staging.stg_campaign_engagements as engagements
        cross join staging.as_of
        semi join intermediate.int_adult_customers as adults using (customer_id)
        where occurred_on > window_starts_after and not is_holdout
        group by all having sum(engagements.impressions) > 0
        """,
    ).pivot(index="customer_id", columns="channel", values="ctr")
    assert 0 < len(reached) < len(customers)
    found = inputs.set_index("entity_id")[[f"natural_{number:02d}" for number in range(1, 5)]]
    expected = reached.reindex(index=found.index, columns=CHANNELS)
    assert (found.isna().to_numpy() == expected.isna().to_numpy()).all()
    assert found.to_numpy() == pytest.approx(expected.to_numpy(), nan_ok=True)


def test_sentences_about_its_clicks_are_true_by_construction(third: Path) -> None:
    verdicts = ask(third, f"from evidence.claim_verdicts where segmentation = '{NAME}'")
    verdicts = verdicts.set_index("claim_id")
    clicks = verdicts.loc[["third_clicks", "third_email"]]
    assert set(clicks["verdict"]) == {"circular"}
    assert clicks["figure_reproduces"].all()
    # What was not put in is judged: the segment that the demo has click on emails deposits least.
    assert verdicts.loc["third_deposits", "verdict"] == "contradicted"


def test_its_persona_is_found_and_its_segments_are_as_many_as_the_rule_chooses(
    third: Path,
) -> None:
    segments = ask(third, f"from marts.segments where segmentation = '{NAME}'")
    assert segments["persona"].dropna().tolist() == [PERSONA]
    quality = ask(third, f"from health.segmentation_quality where segmentation = '{NAME}'")
    (chosen,) = quality[quality["is_chosen"]].to_dict("records")
    assert 2 <= len(segments) == chosen["k"] <= 8
    assert "stable in every segment" in chosen["reason"]
