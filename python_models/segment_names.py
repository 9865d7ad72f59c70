"""One row per segmentation and segment of the fit in use: what the segment is called."""

from segmentation.fit import current_fits
from segmentation.naming import name_segments


def model(dbt, session):
    """Name the segments by their personas; `segmentation.naming` decides."""
    specifications = dbt.config.meta_get("segmentations")
    features = dbt.config.meta_get("features")
    inputs = dbt.ref("segmentation_inputs")
    running = {name for (name,) in inputs.project("segmentation").distinct().fetchall()}
    return name_segments(
        current_fits(
            [specification for specification in specifications if specification["name"] in running],
            dbt.ref("segment_fits").df(),
            dbt.ref("fit_choices").df(),
        ),
        dbt.ref("personas").df(),
        minimum_match=dbt.config.meta_get("minimum_match"),
        feature_labels={
            name: feature["words"]
            for name, feature in features.items()
            if "words" in feature
        },
        grain={specification["name"]: specification["grain"] for specification in specifications},
    )
