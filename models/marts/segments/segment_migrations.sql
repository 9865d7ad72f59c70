with transitions as (
    select * from {{ ref('int_segment_transitions') }}
),

periods as (
    select distinct
        segmentation,
        earlier_as_of_on,
        as_of_on,
        fit_id <> earlier_fit_id as is_refit
    from {{ ref('int_segment_pairs_of_dates') }}
),

stays as (
    select
        segmentation,
        from_segment_id,
        sum(expected_count) as leaving_count,
        sum(expected_variance) as leaving_variance
    from {{ ref('int_expected_migrations') }}
    group by segmentation, from_segment_id
),

compared as (
    select
        transitions.*,
        case
            when transitions.from_segment_id = transitions.to_segment_id
                then transitions.from_count - stays.leaving_count
            when stays.leaving_count is not null then coalesce(expected.expected_count, 0)
        end as expected_count,
        case
            when transitions.from_segment_id = transitions.to_segment_id then stays.leaving_variance
            when stays.leaving_count is not null then coalesce(expected.expected_variance, 0)
        end as expected_variance
    from transitions
    left join stays
        on
            transitions.segmentation = stays.segmentation
            and transitions.from_segment_id = stays.from_segment_id
    left join {{ ref('int_expected_migrations') }} as expected
        on
            transitions.segmentation = expected.segmentation
            and transitions.from_segment_id = expected.from_segment_id
            and transitions.to_segment_id = expected.to_segment_id
),

final as (
    {{ of_other_dates('segment_migrations', ref('segments')) }}
    union all
    select
        compared.segmentation,
        periods.earlier_as_of_on,
        periods.as_of_on,
        compared.from_segment_id,
        compared.to_segment_id,
        cast(compared.entity_count as bigint) as entity_count,
        cast(compared.from_count as bigint) as from_count,
        compared.share_of_from,
        {{ proportion_low('compared.entity_count', 'compared.from_count') }} as share_of_from_low,
        {{ proportion_high('compared.entity_count', 'compared.from_count') }} as share_of_from_high,
        compared.last_year_amount,
        compared.expected_count,
        greatest(0, compared.expected_count - {{ interval_z() }} * sqrt(compared.expected_variance)) as expected_count_low,
        compared.expected_count + {{ interval_z() }} * sqrt(compared.expected_variance) as expected_count_high,
        periods.is_refit
    from compared
    inner join periods on compared.segmentation = periods.segmentation
)

select * from final
