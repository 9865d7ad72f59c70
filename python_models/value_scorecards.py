"""One row per model and metric: how well value is predicted on time that was held out."""

from segmentation.value_scorecards import value_scorecards


def model(dbt, session):
    """Fit on the first part, predict the rest; `segmentation.value_scorecards` computes."""
    histories = dbt.ref("int_customer_purchase_trials").df()
    period = dbt.ref("int_purchase_period").df().iloc[0]
    return value_scorecards(
        histories.merge(dbt.ref("int_baseline_segments").df(), how="left", on="customer_id"),
        last_year_days=period["trained_last_year_days"],
        held_out_days=period["held_out_days"],
        random_seed=dbt.config.meta_get("random_seed"),
        confidence_level=dbt.config.meta_get("confidence_level"),
    )
