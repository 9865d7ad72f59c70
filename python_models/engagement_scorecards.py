"""One row per outcome's model, split and metric: how well engagement is foretold."""

from segmentation.scorecards import engagement_scorecards


def model(dbt, session):
    """Foretell held-out customers and later campaigns; `segmentation.scorecards` computes."""
    return engagement_scorecards(
        dbt.ref("int_engagement_features").df(),
        dbt.config.meta_get("features"),
        protected_raw_columns=dbt.config.meta_get("protected_raw_columns"),
        small_cell_customers=dbt.config.meta_get("small_cell_customers"),
        small_cell_events=dbt.config.meta_get("small_cell_events"),
        known_share=dbt.config.meta_get("known_share"),
        train_share=dbt.config.meta_get("train_share"),
        random_seed=dbt.config.meta_get("random_seed"),
        confidence_level=dbt.config.meta_get("confidence_level"),
    )
