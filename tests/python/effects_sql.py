"""Runs the models of campaign effects on a bare DuckDB; the library computes between them."""

from __future__ import annotations

import duckdb
import pandas as pd
from evidence_sql import build, models_for, tables_of
from rendering import project_vars

from segmentation.effects import pooled_effects
from segmentation.policy import segmentation_values

VARS = project_vars()
# For worlds without a say in it: amounts are revenue as they are, nobody is shown by mistake.
WHERE_NOT_GIVEN = {
    "int_purchase_margins": "select 'payment' as transaction_type, 1.0 as margin_rate",
    "int_contaminated_holdouts": "select '' as campaign_id, '' as customer_id limit 0",
}


def build_model(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Build a model of effects, and what it is made from, from the staged tables that are there."""
    for table, rows in WHERE_NOT_GIVEN.items():
        if table not in tables_of(connection):
            connection.execute(f"create table {table} as {rows}")
    build(connection, models_for(name, tables_of(connection)))


def campaign_effects(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Build campaign_effects from the staged tables that are there, and hand it back."""
    build_model(connection, "int_campaign_estimates")
    estimates = connection.sql("from int_campaign_estimates where segment_id > 0").df()
    pooled = pooled_effects(estimates, confidence_level=VARS["confidence_level"])
    connection.register("pooled", pooled)
    connection.execute("create table campaign_effect_pooling as from pooled")
    build_model(connection, "campaign_effects")
    return connection.sql("from campaign_effects").df()


def segmentation_value(connection: duckdb.DuckDBPyConnection, splits: int) -> pd.DataFrame:
    """Build segmentation_value likewise, after `campaign_effects`."""
    build_model(connection, "int_campaign_policy_customers")
    gains = segmentation_values(
        connection.sql("from int_campaign_policy_customers").df(),
        splits=splits,
        random_seed=VARS["fit_random_seed"],
        confidence_level=VARS["confidence_level"],
    )
    connection.register("gains", gains)
    connection.execute("create table segmentation_value_gains as from gains")
    build_model(connection, "segmentation_value")
    return connection.sql("from segmentation_value").df()
