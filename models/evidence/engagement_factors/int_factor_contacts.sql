{{ config(schema='intermediate') }}

with contacts as (
    select * from {{ ref('stg_campaign_engagements') }}
    where not is_holdout and impressions > 0
),

final as (
    select
        responses.campaign_id,
        responses.customer_id,
        max(contacts.occurred_on) as earlier_contact_on,
        cast(sum(
            case when contacts.occurred_on > responses.recent_starts_after then 1 else 0 end
        ) as bigint) as recent_contact_count,
        cast(sum(contacts.clicks) as bigint) as earlier_click_count,
        {{ ratio('sum(contacts.clicks)', 'sum(case when contacts.clicks is not null then contacts.impressions end)') }} as earlier_ctr
    from {{ ref('int_factor_responses') }} as responses
    inner join contacts
        on
            responses.customer_id = contacts.customer_id
            and responses.campaign_id <> contacts.campaign_id
            and responses.history_starts_after < contacts.occurred_on
            and responses.known_on >= contacts.occurred_on
    group by responses.campaign_id, responses.customer_id
)

select * from final
