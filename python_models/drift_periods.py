"""One row per segmentation, period and feature: how far the data moved from those of the fit."""

from segmentation.drift import drift_periods


def model(dbt, session):
    """Compare the inputs of this build with those of the fits; `segmentation.drift` computes."""
    as_of_on = dbt.ref("as_of").df()["as_of_on"]
    return drift_periods(
        dbt.ref("current_fits").df(),
        dbt.ref("segment_fit_distributions").df(),
        dbt.ref("segmentation_inputs").df(),
        as_of_on=as_of_on.iloc[0] if len(as_of_on) else None,
        confidence_level=dbt.config.meta_get("confidence_level"),
        smallest_psi=dbt.config.meta_get("smallest_psi"),
    )
