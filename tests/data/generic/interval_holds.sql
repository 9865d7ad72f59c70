{% test interval_holds(model, estimates) %}

{#- Both ends are computed apart from the estimate, so that they may differ from it by rounding alone. -#}
{% set tolerance = '1e-12 * (1 + abs(estimate))' %}

with intervals as (
    {% for estimate in estimates %}
    select
        '{{ estimate }}' as estimate_name,
        cast({{ estimate }} as double) as estimate,
        cast({{ estimate }}_low as double) as low,
        cast({{ estimate }}_high as double) as high
    from {{ model }}
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    estimate_name,
    low,
    estimate,
    high
from intervals
where
    low > estimate + {{ tolerance }}
    or high < estimate - {{ tolerance }}
    or (estimate is null and (low is not null or high is not null))
    or (low is null) <> (high is null)

{% endtest %}
