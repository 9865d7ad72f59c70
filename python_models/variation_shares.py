"""One row per segmentation and component: its share of the variation of CTR."""

from segmentation.noise import variation_shares


def model(dbt, session):
    """Split the variation of customers' CTR by channel; `segmentation.noise` computes."""
    engagement = dbt.ref("int_customer_channel_engagement").df()
    members = dbt.ref("segment_members").df()
    random_seed = dbt.config.meta_get("random_seed")
    confidence_level = dbt.config.meta_get("confidence_level")
    return variation_shares(
        members[members["grain"] == "customer"][["segmentation", "entity_id", "segment_id"]],
        engagement.rename(columns={"customer_id": "entity_id"})[
            ["entity_id", "channel", "impression_count", "click_count"]
        ].dropna(),
        random_seed=random_seed,
        confidence_level=confidence_level,
    )
