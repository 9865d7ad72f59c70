"""One row per segmentation: keep, watch or refit, and why."""

from segmentation.drift import refit_advice


def model(dbt, session):
    """Advise on the period of this build; `segmentation.drift` has the rule."""
    as_of_on = dbt.ref("as_of").df()["as_of_on"]
    return refit_advice(
        dbt.ref("drift_periods").df(),
        dbt.ref("current_fits").df(),
        dbt.ref("refit_trials").df(),
        as_of_on=as_of_on.iloc[0] if len(as_of_on) else None,
        confidence_level=dbt.config.meta_get("confidence_level"),
        smallest_moving_share=dbt.config.meta_get("smallest_moving_share"),
    )
