with final as (
    select * from {{ ref('engagement_scorecards') }}
)

select * from final
