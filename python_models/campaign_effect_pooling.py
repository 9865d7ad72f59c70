"""One row per segment, campaign and outcome: its effect pooled with the other segments'."""

from segmentation.effects import pooled_effects


def model(dbt, session):
    """Pool a campaign's effects over segments; `segmentation.effects` computes."""
    estimates = dbt.ref("int_campaign_estimates").filter("segment_id > 0").df()
    return pooled_effects(estimates, confidence_level=dbt.config.meta_get("confidence_level"))
