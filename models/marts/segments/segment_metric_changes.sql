{% set keys = ['segmentation', 'mart', 'metric', 'cell'] %}

with periods as (
    select distinct
        segmentation,
        earlier_as_of_on,
        as_of_on
    from {{ ref('int_segment_pairs_of_dates') }}
),

sums as (
    select
        {% for key in keys %}sums.{{ key }},
        {% endfor -%}
        sums.segment_id,
        periods.earlier_as_of_on,
        periods.as_of_on,
        sum(case when sums.as_of_on = periods.earlier_as_of_on then sums.metric_numerator end) as earlier_numerator,
        sum(case when sums.as_of_on = periods.earlier_as_of_on then sums.metric_denominator end) as earlier_denominator,
        sum(case when sums.as_of_on = periods.as_of_on then sums.metric_numerator end) as numerator,
        sum(case when sums.as_of_on = periods.as_of_on then sums.metric_denominator end) as denominator
    from {{ ref('segment_metric_sums') }} as sums
    inner join periods on sums.segmentation = periods.segmentation
    where sums.as_of_on in (periods.earlier_as_of_on, periods.as_of_on)
    group by {% for key in keys %}sums.{{ key }}, {% endfor %}sums.segment_id, periods.earlier_as_of_on, periods.as_of_on
),

summed as (
    select
        *
        {%- for sum in ['earlier_numerator', 'earlier_denominator', 'numerator', 'denominator'] %},
        sum({{ sum }}) over (partition by {{ keys | join(', ') }}) as total_{{ sum }}
        {%- endfor %}
    from sums
),

totals as (
    select
        *,
        {{ ratio('total_earlier_numerator', 'total_earlier_denominator') }} as earlier_total,
        {{ ratio('total_numerator', 'total_denominator') }} as total
    from summed
),

-- A segment that is at one of the dates only counts at the other as the average would.
parts as (
    select
        *,
        coalesce({{ ratio('earlier_denominator', 'total_earlier_denominator') }}, 0) as earlier_weight,
        coalesce({{ ratio('denominator', 'total_denominator') }}, 0) as weight,
        coalesce({{ ratio('earlier_numerator', 'earlier_denominator') }}, earlier_total) as earlier_figure,
        coalesce({{ ratio('numerator', 'denominator') }}, total) as figure
    from totals
),

final as (
    {{ of_other_dates('segment_metric_changes', ref('segments')) }}
    union all
    select
        segmentation,
        mart,
        metric,
        cell,
        earlier_as_of_on,
        as_of_on,
        earlier_total as earlier_figure,
        total as figure_over_all,
        total - earlier_total as change,
        sum(earlier_weight * (figure - earlier_figure)) as within_change,
        sum((weight - earlier_weight) * (earlier_figure - earlier_total)) as mix_change,
        sum((weight - earlier_weight) * (figure - earlier_figure)) as interaction_change,
        total_earlier_denominator as earlier_metric_denominator,
        total_denominator as metric_denominator
    from parts
    group by
        {{ keys | join(', ') }}, earlier_as_of_on, as_of_on, earlier_total, total, total_earlier_denominator,
        total_denominator
)

select * from final
