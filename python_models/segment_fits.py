"""One row per fit, segment and feature: the centres of k-means as numbers."""

import pandas as pd

from segmentation.fit import fit_missing


def model(dbt, session):
    """Append the fits that are missing or asked for; `segmentation.fit` computes them."""
    as_of_on = dbt.ref("as_of").df()["as_of_on"]
    inputs = dbt.ref("segmentation_inputs").df()
    personas = dbt.ref("personas").df()
    latest_members = dbt.ref("latest_segment_members").df()
    earlier_fits = pd.DataFrame()
    if dbt.is_incremental:
        earlier_fits = session.sql(f"select * from {dbt.this}").df()
    specifications = dbt.config.meta_get("segmentations")
    refit = dbt.config.meta_get("refit")
    running = set(inputs["segmentation"])
    return fit_missing(
        [specification for specification in specifications if specification["name"] in running],
        inputs,
        personas,
        earlier_fits,
        latest_members,
        refit=[name for name in refit.split(",") if name != "nothing"],
        as_of_on=as_of_on.iloc[0] if len(as_of_on) else pd.NaT,
        random_seed=dbt.config.meta_get("random_seed"),
        minimum_overlap=dbt.config.meta_get("minimum_overlap"),
        quality=dbt.ref("fit_quality").df(),
    )
