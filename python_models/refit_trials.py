"""One row per fit and data: what a refit on these data would change, without publishing it."""

import pandas as pd

from segmentation.drift import refit_trials, untried


def model(dbt, session):
    """Try refits on data they were not tried on before; `segmentation.drift` computes."""
    as_of_on = dbt.ref("as_of").df()["as_of_on"]
    earlier_trials = pd.DataFrame()
    if dbt.is_incremental:
        earlier_trials = session.sql(f"select * from {dbt.this}").df()
    fits = dbt.ref("current_fits").df()
    to_try = untried(
        dbt.ref("drift_periods").df(),
        fits,
        earlier_trials,
        as_of_on=as_of_on.iloc[0] if len(as_of_on) else None,
    )
    inputs = dbt.ref("segmentation_inputs").df() if len(to_try) else pd.DataFrame()
    return refit_trials(
        dbt.config.meta_get("segmentations"),
        fits,
        to_try,
        inputs,
        random_seed=dbt.config.meta_get("random_seed"),
        sample_size=dbt.config.meta_get("sample_size"),
    )
