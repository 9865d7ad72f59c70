"""One row per fit, feature and bin: how many entities the fit was made on had such a value."""

import pandas as pd

from segmentation.drift import fit_distributions


def model(dbt, session):
    """Keep the distributions of the fits in use that have none; `segmentation.drift` counts."""
    fits = dbt.ref("current_fits").df()
    earlier_distributions = pd.DataFrame()
    if dbt.is_incremental:
        earlier_distributions = session.sql(f"select * from {dbt.this}").df()
        fits = fits[~fits["fit_id"].isin(earlier_distributions["fit_id"])]
    inputs = dbt.ref("segmentation_inputs").df() if len(fits) else pd.DataFrame()
    return fit_distributions(fits, inputs, earlier_distributions)
