"""Columns and dtypes of the frames the library hands back, the same with and without rows."""

from collections.abc import Mapping

import pandas as pd

FITS: Mapping[str, str] = {
    "fit_id": "str",
    "segmentation": "str",
    "specification_hash": "str",
    "data_hash": "str",
    "fit_number": "int64",
    "as_of_on": "datetime64[us]",
    "outcome": "str",
    "requested_k": "int64",
    "segment_id": "int64",
    "feature": "str",
    "feature_position": "int64",
    "transform": "str",
    "fill_value": "float64",
    "shift": "float64",
    "scale": "float64",
    "centre": "float64",
    "training_count": "int64",
    "entity_count": "int64",
    "inertia": "float64",
    "random_seed": "int64",
}

FIT_CHOICES: Mapping[str, str] = {
    "segmentation": "str",
    "choice_number": "int64",
    "fit_id": "str",
    "choice_reason": "str",
    "as_of_on": "datetime64[us]",
}

LATEST_MEMBERS: Mapping[str, str] = {
    "segmentation": "str",
    "entity_id": "str",
    "segment_id": "int64",
}

FIT_QUALITY: Mapping[str, str] = {
    "fit_id": "str",
    "segmentation": "str",
    "specification_hash": "str",
    "outcome": "str",
    "k": "int64",
    "sampled_count": "int64",
    "within_squares": "float64",
    "gap": "float64",
    "gap_standard_error": "float64",
    "reference_set_count": "int64",
    "silhouette": "float64",
    "davies_bouldin": "float64",
    "stability": "float64",
    "least_stability": "float64",
    "bootstrap_count": "int64",
    "smallest_share": "float64",
    "minimum_stability": "float64",
    "minimum_share": "float64",
    "is_chosen": "bool",
    "reason": "str",
    "random_seed": "int64",
}

SEGMENT_TREE_RULES: Mapping[str, str] = {
    "segmentation": "str",
    "fit_id": "str",
    "segment_id": "int64",
    "rule_number": "int64",
    "rule": "str",
    "covered_count": "int64",
    "entity_count": "int64",
    "held_out_count": "int64",
    "hit_count": "int64",
    "member_count": "int64",
    "tested_count": "int64",
    "agreed_count": "int64",
}

SEGMENT_SEPARATIONS: Mapping[str, str] = {
    "segmentation": "str",
    "fit_id": "str",
    "segment_id": "int64",
    "other_segment_id": "int64",
    "distance": "float64",
    "separating_features": "str",
    "separation": "float64",
    "separated_only_by": "str",
    "separation_without": "float64",
}

SEGMENT_NAMES: Mapping[str, str] = {
    "segmentation": "str",
    "fit_id": "str",
    "segment_id": "int64",
    "segment_name": "str",
    "segment_description": "str",
    "persona": "str",
    "persona_match": "float64",
    "name_source": "str",
    "agreed_by": "str",
    "agreed_on": "datetime64[us]",
}

OUTCOME_NOISE_CHECKS: Mapping[str, str] = {
    "segmentation": "str",
    "outcome": "str",
    "customer_count": "int64",
    "segment_count": "int64",
    "effect_name": "str",
    "effect": "float64",
    "effect_low": "float64",
    "effect_high": "float64",
    "permutation_count": "int64",
    "permuted_mean": "float64",
    "permuted_95th_percentile": "float64",
    "p": "float64",
    "adjusted_p": "float64",
    "family": "str",
    "method": "str",
    "explains_more_than_chance": "bool",
}

VARIATION_SHARES: Mapping[str, str] = {
    "segmentation": "str",
    "component": "str",
    "customer_count": "int64",
    "impression_count": "int64",
    "variance": "float64",
    "share": "float64",
    "share_low": "float64",
    "share_high": "float64",
    "customers_less_channels": "float64",
    "customers_less_channels_low": "float64",
    "customers_less_channels_high": "float64",
    "p": "float64",
    "adjusted_p": "float64",
    "family": "str",
    "method": "str",
}

CHANNEL_ORDER_AGREEMENTS: Mapping[str, str] = {
    "segmentation": "str",
    "segment_count": "int64",
    "channel_count": "int64",
    "customer_count": "int64",
    "interaction_statistic": "float64",
    "interaction_freedom": "Int64",
    "p": "float64",
    "adjusted_p": "float64",
    "family": "str",
    "rank_agreement": "float64",
    "rank_agreement_low": "float64",
    "rank_agreement_high": "float64",
    "largest_reversal": "float64",
    "largest_reversal_low": "float64",
    "largest_reversal_high": "float64",
    "method": "str",
    "is_small_cell": "bool",
}

CAMPAIGN_EFFECT_POOLING: Mapping[str, str] = {
    "segmentation": "str",
    "segment_id": "int64",
    "campaign_id": "str",
    "outcome": "str",
    "heterogeneity_statistic": "float64",
    "heterogeneity_freedom": "Int64",
    "heterogeneity_p": "float64",
    "effect_spread": "float64",
    "effect_spread_low": "float64",
    "effect_spread_high": "float64",
    "pooled_effect": "float64",
    "pooled_effect_low": "float64",
    "pooled_effect_high": "float64",
}

SEGMENTATION_VALUES: Mapping[str, str] = {
    "segmentation": "str",
    "outcome": "str",
    "is_all_campaigns": "bool",
    "campaign_id": "str",
    "campaign_count": "int64",
    "segment_count": "int64",
    "customer_count": "int64",
    "addressed_share": "float64",
    "one_action_share": "float64",
    "gain": "float64",
    "gain_low": "float64",
    "gain_high": "float64",
    "random_gain": "float64",
    "random_gain_low": "float64",
    "random_gain_high": "float64",
    "gain_over_random": "float64",
    "gain_over_random_low": "float64",
    "gain_over_random_high": "float64",
    "split_count": "int64",
    "method": "str",
}

SEGMENTATION_NOISE_CHECKS: Mapping[str, str] = {
    "fit_id": "str",
    "segmentation": "str",
    "sampled_count": "int64",
    "null_set_count": "int64",
    "silhouette": "float64",
    "null_silhouette": "float64",
    "silhouette_beaten_share": "float64",
    "within_squares": "float64",
    "null_within_squares": "float64",
    "within_squares_beaten_share": "float64",
    "half_count": "int64",
    "agreement": "float64",
    "minimum_agreement": "float64",
    "no_structure_found": "bool",
    "reason": "str",
    "random_seed": "int64",
}

FIT_DISTRIBUTIONS: Mapping[str, str] = {
    "fit_id": "str",
    "segmentation": "str",
    "feature": "str",
    "feature_position": "int64",
    "bin": "int64",
    "bin_low": "float64",
    "bin_high": "float64",
    "training_count": "int64",
    "training_minimum": "float64",
    "training_maximum": "float64",
}

DRIFT_PERIODS: Mapping[str, str] = {
    "segmentation": "str",
    "as_of_on": "datetime64[us]",
    "drift_in": "str",
    "fit_id": "str",
    "fitted_as_of_on": "datetime64[us]",
    "data_hash": "str",
    "training_entity_count": "int64",
    "entity_count": "int64",
    "bin_count": "Int64",
    "psi": "float64",
    "psi_by_chance": "float64",
    "smallest_psi": "float64",
    "p": "float64",
    "adjusted_p": "float64",
    "family": "str",
    "ks_distance": "float64",
    "ks_p": "float64",
    "training_missing_share": "float64",
    "missing_share": "float64",
    "beyond_training_share": "float64",
    "is_alarm": "boolean",
    "null_reasons": "str",
}

REFIT_TRIALS: Mapping[str, str] = {
    "fit_id": "str",
    "segmentation": "str",
    "data_hash": "str",
    "is_training_data": "bool",
    "entity_count": "int64",
    "sampled_count": "int64",
    "moving_count": "int64",
    "refit_agreement": "float64",
    "random_seed": "int64",
}

REFIT_ADVICE: Mapping[str, str] = {
    "segmentation": "str",
    "fit_id": "str",
    "advice": "str",
    "reason": "str",
    "alarm_count": "int64",
    "compared_count": "int64",
    "largest_psi": "float64",
    "largest_psi_in": "str",
    "sampled_count": "int64",
    "moving_count": "int64",
    "moving_share": "float64",
    "moving_share_low": "float64",
    "moving_share_high": "float64",
    "smallest_moving_share": "float64",
    "refit_agreement": "float64",
}

ENGAGEMENT_FACTORS: Mapping[str, str] = {
    "segmentation": "str",
    "is_all_customers": "bool",
    "segment_id": "Int64",
    "outcome": "str",
    "feature": "str",
    "timing": "str",
    "was_randomised": "bool",
    "warning": "str",
    "reason": "str",
    "customer_count": "Int64",
    "row_count": "Int64",
    "event_count": "Int64",
    "correlation": "float64",
    "correlation_low": "float64",
    "correlation_high": "float64",
    "standardised_effect": "float64",
    "standardised_effect_low": "float64",
    "standardised_effect_high": "float64",
    "sign_stability": "float64",
    "rank_by_correlation": "Int64",
    "rank_by_effect": "Int64",
    "combined_rank": "Int64",
    "p": "float64",
    "adjusted_p": "float64",
    "family": "str",
    "is_real": "bool",
    "method": "str",
}

MODEL_SCORECARDS: Mapping[str, str] = {
    "model": "str",
    "split": "str",
    "metric": "str",
    "estimate": "float64",
    "estimate_low": "float64",
    "estimate_high": "float64",
    "baseline_value": "float64",
    "customer_count": "int64",
    "row_count": "int64",
    "is_better_than_chance": "boolean",
    "use_baseline": "boolean",
    "method": "str",
}

CUSTOMER_VALUE_DRAWS: Mapping[str, str] = {
    "model": "str",
    "draw": "int64",
    "parameter": "str",
    "estimate": "float64",
    "fit_log_likelihood": "float64",
    "fit_status": "str",
    "reason": "str",
    "customer_count": "int64",
    "frequency_value_correlation": "float64",
}

CUSTOMER_VALUE_SCORES: Mapping[str, str] = {
    "customer_id": "str",
    "probability_active": "float64",
    "probability_active_low": "float64",
    "probability_active_high": "float64",
    "expected_transactions_90": "float64",
    "expected_transactions_90_low": "float64",
    "expected_transactions_90_high": "float64",
    "expected_transactions_365": "float64",
    "expected_transactions_365_low": "float64",
    "expected_transactions_365_high": "float64",
    "expected_revenue_90": "float64",
    "expected_revenue_90_low": "float64",
    "expected_revenue_90_high": "float64",
    "expected_revenue_365": "float64",
    "expected_revenue_365_low": "float64",
    "expected_revenue_365_high": "float64",
    "clv": "float64",
    "clv_low": "float64",
    "clv_high": "float64",
    "basis": "str",
    "transactions_baseline": "str",
    "revenue_baseline": "str",
    "interval_method": "str",
    "reason": "str",
}


def conform(frame: pd.DataFrame, dtypes: Mapping[str, str]) -> pd.DataFrame:
    """Return `frame` with exactly the columns and dtypes of `dtypes`, in that order.

    A frame without rows may lack columns: what a database infers from an empty column of type
    object depends on luck, so every column is created with its dtype.

    Args:
        frame: any number of rows; columns beyond those of `dtypes` are dropped.
        dtypes: column name to pandas dtype.

    Returns:
        A new frame, as many rows as `frame`, index 0, 1, ...

    Raises:
        ValueError: `frame` has rows but not all of the columns.
    """
    missing = [column for column in dtypes if column not in frame.columns]
    if missing and len(frame):
        raise ValueError(f"The frame lacks the columns {', '.join(missing)}.")
    return frame.reindex(columns=list(dtypes)).reset_index(drop=True).astype(dict(dtypes))
