{% macro interval_z() -%}
    {#- The normal quantile of the two-sided level confidence_level. -#}
    {%- set quantiles = {0.8: 1.2815515655446004, 0.9: 1.6448536269514722, 0.95: 1.959963984540054, 0.99: 2.5758293035489004} -%}
    {%- if var('confidence_level') not in quantiles -%}
        {{ exceptions.raise_compiler_error(
            'dbt_project.yml, confidence_level: ' ~ var('confidence_level') ~ ' is none; allowed are '
            ~ quantiles.keys() | join(', ') ~ '.') }}
    {%- endif -%}
    {{ quantiles[var('confidence_level')] }}
{%- endmacro %}


{% macro interval_low(estimate, standard_error, minimum=none) -%}
    {#- Lower end of estimate +- z standard errors, cut off at `minimum`; null where the error is unknown. -#}
    {{ cut_off('(' ~ estimate ~ ' - ' ~ interval_z() ~ ' * ' ~ standard_error ~ ')', '<', minimum) }}
{%- endmacro %}


{% macro interval_high(estimate, standard_error, maximum=none) -%}
    {{ cut_off('(' ~ estimate ~ ' + ' ~ interval_z() ~ ' * ' ~ standard_error ~ ')', '>', maximum) }}
{%- endmacro %}


{% macro cut_off(bound, beyond, limit) -%}
    {#- A case, since least() and greatest() pass over null. -#}
    {%- if limit is none -%} {{ bound }}
    {%- else -%} case when {{ bound }} {{ beyond }} {{ limit }} then cast({{ limit }} as double) else {{ bound }} end {%- endif -%}
{%- endmacro %}


{% macro is_outside_interval(estimate) -%}
    {#- Both ends are computed apart from the estimate, so that they may differ from it by rounding alone. -#}
    {%- set tolerance = '1e-12 * (1 + abs(cast(' ~ estimate ~ ' as double)))' -%}
    cast({{ estimate }}_low as double) > cast({{ estimate }} as double) + {{ tolerance }}
        or cast({{ estimate }}_high as double) < cast({{ estimate }} as double) - {{ tolerance }}
        or ({{ estimate }} is null and ({{ estimate }}_low is not null or {{ estimate }}_high is not null))
        or ({{ estimate }}_low is null) <> ({{ estimate }}_high is null)
{%- endmacro %}
