"""One row per segmentation, segment (and all customers), outcome and feature."""

from segmentation.factors import engagement_factors


def model(dbt, session):
    """Say what goes with opening, clicking and converting; `segmentation.factors` computes."""
    members = dbt.ref("customer_segments").df()
    return engagement_factors(
        dbt.ref("int_engagement_features").df(),
        members[["segmentation", "segment_id", "customer_id"]],
        dbt.config.meta_get("features"),
        protected_raw_columns=dbt.config.meta_get("protected_raw_columns"),
        small_cell_customers=dbt.config.meta_get("small_cell_customers"),
        small_cell_events=dbt.config.meta_get("small_cell_events"),
        known_share=dbt.config.meta_get("known_share"),
        least_sign_stability=dbt.config.meta_get("sign_stability"),
        random_seed=dbt.config.meta_get("random_seed"),
        confidence_level=dbt.config.meta_get("confidence_level"),
    )
