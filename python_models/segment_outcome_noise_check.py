"""One row per segmentation and outcome: how much the segments explain, against chance."""

from segmentation.noise import outcome_noise_check


def model(dbt, session):
    """Permute the segments' labels; `segmentation.noise` computes."""
    outcomes = dbt.ref("int_customer_outcomes").df()
    members = dbt.ref("int_noise_members").df()
    random_seed = dbt.config.meta_get("random_seed")
    confidence_level = dbt.config.meta_get("confidence_level")
    return outcome_noise_check(
        members,
        outcomes.pivot(index="entity_id", columns="outcome", values="outcome_value").reset_index(),
        binary_outcomes=set(outcomes[outcomes["is_binary"]]["outcome"]),
        random_seed=random_seed,
        confidence_level=confidence_level,
    )
