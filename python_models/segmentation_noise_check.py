"""One row per fit: is its structure more than chance, and would another half give the same?"""

import pandas as pd

from segmentation.noise import segmentation_noise_check


def model(dbt, session):
    """Judge the fits in use that were not judged before; `segmentation.noise` computes."""
    specifications = dbt.config.meta_get("segmentations")
    random_seed = dbt.config.meta_get("random_seed")
    minimum_agreement = dbt.config.meta_get("minimum_agreement")
    sample_size = dbt.config.meta_get("sample_size")
    inputs = dbt.ref("segmentation_inputs").df()
    earlier_checks = pd.DataFrame()
    if dbt.is_incremental:
        earlier_checks = session.sql(f"select * from {dbt.this}").df()
    running = set(inputs["segmentation"])
    specifications = [
        specification for specification in specifications if specification["name"] in running
    ]
    return segmentation_noise_check(
        specifications,
        inputs,
        dbt.ref("current_fits").df(),
        earlier_checks=earlier_checks,
        random_seed=random_seed,
        minimum_agreement=minimum_agreement,
        sample_size=sample_size,
    )
