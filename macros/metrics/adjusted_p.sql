{% macro adjusted_p(p, family, relation) -%}
    {#- Benjamini-Hochberg adjusted p within a family as a column `adjusted_p` beside the relation's own; nulls are no
        tests and stay null. Source: Benjamini and Hochberg, JRSS B 57, 1995; equal to
        scipy.stats.false_discovery_control. -#}
    select
        *,
        case
            when {{ p }} is not null
                then least(1e0, min(scaled_p) over (
                    partition by {{ family }}, {{ p }} is null
                    order by {{ p }} desc
                    rows between unbounded preceding and current row
                ))
        end as adjusted_p
    from (
        select
            *,
            {{ p }} * count({{ p }}) over (partition by {{ family }})
                / nullif(rank() over (partition by {{ family }}, {{ p }} is null order by {{ p }})
                    + count(*) over (partition by {{ family }}, {{ p }}) - 1, 0) as scaled_p
        from {{ relation }}
    ) as scaled
{%- endmacro %}
