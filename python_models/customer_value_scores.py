"""One row per customer: what is expected of the customer, and on what basis."""

from segmentation.customer_value import score_customers


def model(dbt, session):
    """Score all customers at once; `segmentation.customer_value` computes."""
    histories = dbt.ref("int_customer_purchases").df()
    period = dbt.ref("int_purchase_period").df().iloc[0]
    return score_customers(
        histories.merge(dbt.ref("int_baseline_segments").df(), how="left", on="customer_id"),
        dbt.ref("customer_value_draws").df(),
        dbt.ref("value_scorecards").df(),
        last_year_days=period["last_year_days"],
        clv_horizon_days=dbt.config.meta_get("clv_horizon_days"),
        clv_discount_rate=dbt.config.meta_get("clv_discount_rate"),
        confidence_level=dbt.config.meta_get("confidence_level"),
    )
