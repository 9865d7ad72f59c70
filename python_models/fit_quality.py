"""One row per fit and number of segments: how good a division into so many would be."""

import pandas as pd

from segmentation.quality import fit_quality


def model(dbt, session):
    """Measure what segment_fits is about to fit; `segmentation.quality` computes."""
    inputs = dbt.ref("segmentation_inputs").df()
    earlier_quality = pd.DataFrame()
    if dbt.is_incremental:
        earlier_quality = session.sql(f"select * from {dbt.this}").df()
    specifications = dbt.config.meta_get("segmentations")
    refit = dbt.config.meta_get("refit")
    running = set(inputs["segmentation"])
    return fit_quality(
        [specification for specification in specifications if specification["name"] in running],
        inputs,
        earlier_quality,
        refit=[name for name in refit.split(",") if name != "nothing"],
        random_seed=dbt.config.meta_get("random_seed"),
        sample_size=dbt.config.meta_get("sample_size"),
        minimum_stability=dbt.config.meta_get("minimum_stability"),
        minimum_share=dbt.config.meta_get("minimum_share"),
    )
