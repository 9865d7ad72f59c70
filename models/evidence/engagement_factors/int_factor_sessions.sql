{{ config(schema='intermediate') }}

with final as (
    select
        responses.campaign_id,
        responses.customer_id,
        cast(sum(sessions.session_count) as bigint) as earlier_session_count,
        cast(coalesce(sum(sessions.minutes), 0) as double) as earlier_session_minutes
    from {{ ref('int_factor_responses') }} as responses
    inner join {{ ref('stg_digital_sessions') }} as sessions
        on
            responses.customer_id = sessions.customer_id
            and responses.history_starts_after < sessions.used_on
            and responses.known_on >= sessions.used_on
    group by responses.campaign_id, responses.customer_id
)

select * from final
