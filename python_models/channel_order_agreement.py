"""One row per segmentation: whether its segments stand in the same order in every channel."""

from segmentation.agreement import channel_order_agreement


def model(dbt, session):
    """Compare the orders by CTR; `segmentation.agreement` computes."""
    return channel_order_agreement(
        dbt.ref("int_channel_pair_sums").df(),
        small_cell_customers=dbt.config.meta_get("small_cell_customers"),
        small_cell_events=dbt.config.meta_get("small_cell_events"),
        random_seed=dbt.config.meta_get("random_seed"),
        confidence_level=dbt.config.meta_get("confidence_level"),
    )
