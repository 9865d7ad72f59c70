"""One row per segmentation and two of its segments: what keeps them apart."""

from segmentation.pairs import segment_separations


def model(dbt, session):
    """Measure how far segments are apart; `segmentation.pairs` computes."""
    return segment_separations(
        dbt.config.meta_get("segmentations"),
        dbt.ref("int_described_entities").df(),
        dbt.ref("current_fits").df(),
        minimum_separation=dbt.config.meta_get("minimum_separation"),
    )
