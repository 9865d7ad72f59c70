"""One row per segmentation, segment and rule that says who is in the segment."""

from segmentation.rules import segment_tree_rules


def model(dbt, session):
    """Learn a shallow tree per segmentation; `segmentation.rules` computes."""
    return segment_tree_rules(
        dbt.config.meta_get("segmentations"),
        dbt.ref("int_described_entities").df(),
        random_seed=dbt.config.meta_get("random_seed"),
        largest_depth=dbt.config.meta_get("largest_depth"),
        minimum_leaf_share=dbt.config.meta_get("minimum_leaf_share"),
    )
