"""One row per segmentation and component: its share of the variation of CTR."""

from segmentation.noise import variation_shares


def model(dbt, session):
    """Split the variation of customers' CTR by channel; `segmentation.noise` computes."""
    outcomes = dbt.ref("int_noise_channel_outcomes").df()
    members = dbt.ref("int_noise_members").df()
    random_seed = dbt.config.meta_get("random_seed")
    confidence_level = dbt.config.meta_get("confidence_level")
    return variation_shares(
        members,
        outcomes,
        random_seed=random_seed,
        confidence_level=confidence_level,
    )
