with final as (
    select * from {{ ref('engagement_scorecards') }}
    union all
    select * from {{ ref('value_scorecards') }}
)

select * from final
