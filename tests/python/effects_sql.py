"""Runs the models of campaign effects on a bare DuckDB; the library pools between them."""

from __future__ import annotations

import duckdb
import pandas as pd
from evidence_sql import build, models_for, tables_of
from rendering import project_vars

from segmentation.effects import pooled_effects

VARS = project_vars()


def campaign_effects(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Build campaign_effects from the staged tables that are there, and hand it back."""
    build(connection, models_for("int_campaign_estimates", tables_of(connection)))
    estimates = connection.sql("from int_campaign_estimates where segment_id > 0").df()
    pooled = pooled_effects(estimates, confidence_level=VARS["confidence_level"])
    connection.register("pooled", pooled)
    connection.execute("create table campaign_effect_pooling as from pooled")
    build(connection, models_for("campaign_effects", tables_of(connection)))
    return connection.sql("from campaign_effects").df()
