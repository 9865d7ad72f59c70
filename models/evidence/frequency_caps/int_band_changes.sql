{{ config(schema='intermediate') }}

with sums as (
    select
        *,
        {{ band_log_error('within') }} as within_log_error,
        {{ band_log_error('across') }} as across_log_error
    from {{ ref('int_band_sums') }}
),

with_first as (
    select
        *,
        first_value({{ ratio('position_y', 'position_x') }}) over group_channel as first_ctr,
        first_value(across_y) over group_channel as first_across_y,
        first_value(across_x) over group_channel as first_across_x,
        first_value(across_log_error) over group_channel as first_across_log_error
    from sums
    window group_channel as (partition by group_id, channel order by from_impressions)
),

-- The same customers are in both bands, so that the two ratios of clicks across campaigns are not independent.
compared as (
    select
        *,
        {{ ratio('within_y', 'within_x') }} as within_ratio,
        {{ ratio('across_y * first_across_x', 'across_x * first_across_y') }} as across_ratio,
        {{ ratio('across_y_first_y', 'across_y * first_across_y') }}
        - {{ ratio('across_y_first_x', 'across_y * first_across_x') }}
        - {{ ratio('across_x_first_y', 'across_x * first_across_y') }}
        + {{ ratio('across_x_first_x', 'across_x * first_across_x') }} as across_covariance
    from with_first
),

changes as (
    select
        *,
        {{ square('across_log_error') }} + {{ square('first_across_log_error') }} - 2 * across_covariance as across_variance
    from compared
),

final as (
    select
        changes.group_id,
        changes.channel,
        changes.band_name,
        changes.first_ctr,
        coalesce(delivery.delivery, 'unknown') as delivery,
        case when delivery.delivery = 'independent' then 'within_customers' else 'across_campaigns' end as comparison,
        case
            when changes.from_impressions = 1 then null
            when delivery.delivery = 'independent' then ln(nullif(changes.within_ratio, 0))
            else ln(nullif(changes.across_ratio, 0))
        end as log_change,
        case
            when changes.from_impressions = 1 then null
            when delivery.delivery = 'independent' then changes.within_log_error
            else sqrt({{ not_negative('changes.across_variance') }})
        end as log_change_error
    from changes
    left join {{ ref('int_delivery_dependence') }} as delivery on changes.channel = delivery.channel
)

select * from final
