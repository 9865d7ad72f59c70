{{ config(materialized='table', meta={'rows_of_each': 'customer_id'}) }}
{% set raw = received('customers') %}
{% set keys = {'customer_id': to_text(raw, 'customer_id')} %}

with repeated as (
    {{ repeated_keys(raw, keys) }}
),

received as {{ inlined() }} (
    {{ keyed_rows(raw, keys, 'repeated') }}
),

typed as {{ inlined() }} (
    select
        {{ delivery_columns(raw, keys) }},
        {{ to_date(raw, 'joined_on') }} as joined_on,
        {{ within(to_integer(raw, 'birth_year'), 'year(as_of.as_of_on) - 120', 'year(as_of.as_of_on)') }} as birth_year,
        {{ to_code(raw, 'gender') }} as gender,
        {{ to_code(raw, 'marital_status') }} as marital_status,
        {{ to_code(raw, 'education') }} as education,
        {{ to_code(raw, 'job') }} as job,
        {{ to_text(raw, 'region') }} as region,
        {{ within(to_decimal(raw, 'monthly_income'), 0) }} as monthly_income,
        {{ to_decimal(raw, 'account_balance') }} as account_balance,
        {{ within(to_decimal(raw, 'loyalty_score'), 0) }} as loyalty_score,
        {{ to_boolean(raw, 'marketing_consent') }} as marketing_consent,
        {{ to_timestamp(raw, 'consent_changed_at') }} as consent_changed_at,
        as_of.as_of_on
    from received
    cross join {{ ref('as_of') }} as as_of
),

checked as {{ inlined() }} (
    select
        *,
        {{ broken_rules(
            keys=['customer_id'],
            rules={'future_date': 'joined_on > as_of_on'},
        ) }} as broken_rules,
        {{ blanked_columns(raw, [
            'joined_on', 'birth_year', 'monthly_income', 'account_balance', 'loyalty_score',
            'marketing_consent', 'consent_changed_at',
        ]) }} as blanked_columns
    from typed
),

decided as (
    {{ with_row_status('checked', keys, known_by='as_of_on') }}
),

final as (
    select
        customer_id,
        joined_on,
        birth_year,
        gender,
        marital_status,
        education,
        job,
        region,
        monthly_income,
        account_balance,
        loyalty_score,
        marketing_consent,
        consent_changed_at,
        is_deleted,
        updated_at,
        {{ row_status_columns() }}
    from decided
)

select * from final
