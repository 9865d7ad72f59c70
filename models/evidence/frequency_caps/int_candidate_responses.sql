{{ config(schema='intermediate') }}

with final as (
    select
        'across_campaigns' as comparison,
        group_id,
        channel,
        cap,
        relative_response,
        log_error,
        log_likelihood,
        information
    from {{ ref('int_response_across_campaigns') }}
    union all
    select
        'within_customers' as comparison,
        group_id,
        channel,
        cap,
        relative_response,
        log_error,
        log_likelihood,
        information
    from {{ ref('int_response_within_customers') }}
)

select * from final
