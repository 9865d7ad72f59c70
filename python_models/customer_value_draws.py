"""One row per model, draw and parameter: the fits of customer value and their bootstrap."""

from segmentation.customer_value import fit_value_models


def model(dbt, session):
    """Fit BG/NBD and Gamma-Gamma; `segmentation.customer_value` computes."""
    return fit_value_models(
        dbt.ref("int_customer_purchases").df(),
        random_seed=dbt.config.meta_get("random_seed"),
        largest_correlation=dbt.config.meta_get("largest_correlation"),
    )
