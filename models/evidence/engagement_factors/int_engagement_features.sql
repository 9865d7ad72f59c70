{{ config(schema='intermediate') }}
{% set days = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] %}

with final as (
    select
        responses.campaign_id,
        responses.customer_id,
        responses.starts_on,
        responses.ends_on,
        responses.campaign_opened,
        responses.campaign_clicked,
        responses.campaign_converted,
        versions.customer_id is not null as is_version_known,
        cast(versions.monthly_income as double) as monthly_income,
        cast(versions.account_balance as double) as account_balance,
        cast(versions.loyalty_score as double) as loyalty_score,
        versions.has_consented,
        case
            when customers.joined_on <= responses.known_on
                then {{ dbt.datediff('customers.joined_on', 'responses.known_on', 'day') }}
        end as days_since_joining,
        coalesce(transactions.earlier_transaction_count, 0) as earlier_transaction_count,
        coalesce(transactions.earlier_transaction_amount, 0) as earlier_transaction_amount,
        {{ dbt.datediff('transactions.earlier_transacted_on', 'responses.starts_on', 'day') }} as days_since_earlier_transaction,
        coalesce(sessions.earlier_session_count, 0) as earlier_session_count,
        coalesce(sessions.earlier_session_minutes, 0) as earlier_session_minutes,
        coalesce(holdings.earlier_product_count, 0) as earlier_product_count,
        {{ dbt.datediff('contacts.earlier_contact_on', 'responses.starts_on', 'day') }} as days_since_contact,
        coalesce(contacts.recent_contact_count, 0) as recent_contact_count,
        coalesce(contacts.earlier_click_count, 0) as earlier_click_count,
        contacts.earlier_ctr
        {%- for day in days %},
        case when responses.first_contact_weekday = {{ loop.index }} then 1 when responses.first_contact_weekday <> {{ loop.index }} then 0 end
            as first_contact_on_{{ day }}
        {%- endfor %}
    from {{ ref('int_factor_responses') }} as responses
    inner join {{ ref('stg_customers') }} as customers on responses.customer_id = customers.customer_id
    left join {{ ref('int_customer_versions') }} as versions
        on
            responses.customer_id = versions.customer_id
            and responses.known_on >= versions.known_from
            -- A comparison of the two sides: with any other condition DuckDB compares every pair of rows.
            and responses.known_on < coalesce(versions.known_before, date '9999-12-31')
    {% for source in ['transactions', 'sessions', 'holdings', 'contacts'] -%}
    left join {{ ref('int_factor_' ~ source) }} as {{ source }}
        on responses.campaign_id = {{ source }}.campaign_id and responses.customer_id = {{ source }}.customer_id
    {% endfor %}
)

select * from final
