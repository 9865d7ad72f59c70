{{ config(schema='intermediate') }}

with features as (
    {% for feature in ['has_held_before', 'products_before', 'purchase_amount_before', 'transactions_before', 'tenure_days'] -%}
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
        avg(feature_value) as mean_value,
        var_samp(feature_value) as variance
    from features
    group by campaign_id, feature, arm
),

final as (
    select
        treated.campaign_id,
        treated.feature,
        treated.mean_value as treated_mean,
        holdout.mean_value as holdout_mean,
        {{ standardised_difference(
            'treated.mean_value', 'holdout.mean_value', 'sqrt((treated.variance + holdout.variance) / 2)') }} as imbalance
    from arms as treated
    inner join arms as holdout
        on treated.campaign_id = holdout.campaign_id and treated.feature = holdout.feature
    where treated.arm = 'treated' and holdout.arm = 'holdout'
)

select * from final
