{% set features = ['has_held_before', 'products_before', 'revenue_before', 'transactions_before', 'tenure_days'] %}

with features as (
    {% for feature in features -%}
    select
        campaign_id,
        arm,
        '{{ feature }}' as feature,
        {{ feature }} as feature_value
    from {{ ref('int_campaign_outcomes') }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

arms as (
    select
        campaign_id,
        feature,
        arm,
        count(*) as customer_count,
        avg(feature_value) as mean_value,
        var_samp(feature_value) as variance
    from features
    group by campaign_id, feature, arm
),

compared as (
    select
        treated.campaign_id,
        treated.feature,
        treated.customer_count as treated_count,
        holdout.customer_count as holdout_count,
        treated.mean_value as treated_mean,
        holdout.mean_value as holdout_mean,
        {{ standardised_difference(
            'treated.mean_value', 'holdout.mean_value', 'sqrt((treated.variance + holdout.variance) / 2)') }} as imbalance
    from arms as treated
    inner join arms as holdout
        on treated.campaign_id = holdout.campaign_id and treated.feature = holdout.feature
    where treated.arm = 'treated' and holdout.arm = 'holdout'
),

final as (
    select
        *,
        {{ names_where({
            'unknown_before': 'treated_mean is null',
            'too_few_customers': 'least(treated_count, holdout_count) < 2',
            'no_variation': 'imbalance is null and treated_mean is not null and least(treated_count, holdout_count) >= 2',
        }) }} as null_reasons
    from compared
)

select * from final
