"""One row per time a fit came into use: after it was made, or by going back to it."""

import pandas as pd

from segmentation.fit import choose_fits


def model(dbt, session):
    """Append the fits that come into use; `segmentation.fit` decides."""
    as_of_on = dbt.ref("as_of").df()["as_of_on"]
    earlier_choices = pd.DataFrame()
    if dbt.is_incremental:
        earlier_choices = session.sql(f"select * from {dbt.this}").df()
    rollback = dbt.config.meta_get("rollback")
    return choose_fits(
        dbt.config.meta_get("segmentations"),
        dbt.ref("segment_fits").df(),
        earlier_choices,
        rollback=None if rollback == "nothing" else rollback,
        as_of_on=as_of_on.iloc[0] if len(as_of_on) else pd.NaT,
    )
