"""One row per segmentation and segment of the fit in use: what the segment is called."""

from segmentation.fit import current_fits
from segmentation.naming import name_segments


def model(dbt, session):
    """Name the segments by their personas; `segmentation.naming` decides."""
    every = dbt.config.meta_get("segmentations")
    specifications = [specification for specification in every if "features" in specification]
    return name_segments(
        current_fits(specifications, dbt.ref("segment_fits").df()),
        dbt.ref("personas").df(),
        minimum_match=dbt.config.meta_get("minimum_match"),
        grain={specification["name"]: specification["grain"] for specification in specifications},
    )
