"""One row per segmentation, outcome and campaign, and one over all campaigns: what segments gain."""

from segmentation.policy import segmentation_values


def model(dbt, session):
    """Value the best action per segment; `segmentation.policy` computes."""
    return segmentation_values(
        dbt.ref("int_campaign_policy_customers").df(),
        splits=dbt.config.meta_get("splits"),
        random_seed=dbt.config.meta_get("random_seed"),
        confidence_level=dbt.config.meta_get("confidence_level"),
    )
