{% set running = fitted(active_segmentations() if execute else segmentations()) %}

with values_by_feature as (
    select
        segmentation,
        entity_id,
        cast(null as {{ text_type() }}) as feature,
        cast(null as integer) as feature_position,
        cast(null as double) as feature_value
    from {{ ref('segmentation_inputs') }}
    where false
    {% for segmentation in running -%}
    {% for feature in segmentation.features -%}
    union all
    select
        segmentation,
        entity_id,
        {{ quoted(feature.name) }} as feature,
        {{ loop.index }} as feature_position,
        {{ natural_column(loop.index) }} as feature_value
    from {{ ref('segmentation_inputs') }}
    where segmentation = {{ quoted(segmentation.name) }}
    {% endfor -%}
    {% endfor %}
),

population as (
    select
        segmentation,
        feature,
        avg(feature_value) as population_mean,
        stddev_samp(feature_value) as population_deviation
    from values_by_feature
    group by segmentation, feature
),

described as (
    select
        features.segmentation,
        members.segment_id,
        features.feature,
        features.feature_position,
        count(*) as entity_count,
        count(features.feature_value) as value_count,
        sum(cast(features.feature_value as double)) as value_sum,
        sum({{ product_of('features.feature_value', 'features.feature_value') }}) as values_squared,
        sum(power(cast(features.feature_value as double), 3)) as values_cubed,
        avg(features.feature_value) as mean_value,
        {{ quartiles('features.feature_value') }} as quartiles
    from values_by_feature as features
    inner join {{ ref('segment_members') }} as members
        on features.segmentation = members.segmentation and features.entity_id = members.entity_id
    group by features.segmentation, members.segment_id, features.feature, features.feature_position
),

final as (
    {%- set error = mean_standard_error('value_count', 'value_sum', 'values_squared') -%}
    {%- set cumulant = mean_third_cumulant('value_count', 'value_sum', 'values_squared', 'values_cubed') %}
    select
        described.segmentation,
        described.segment_id,
        segments.segment_name,
        described.feature,
        cast(described.feature_position as bigint) as feature_position,
        described.entity_count,
        described.value_count,
        described.value_sum,
        described.values_squared,
        described.values_cubed,
        described.mean_value,
        {{ skewed_low('described.mean_value', error, cumulant) }} as mean_value_low,
        {{ skewed_high('described.mean_value', error, cumulant) }} as mean_value_high,
        {{ value_at('described.quartiles', 2) }} as median_value,
        {{ value_at('described.quartiles', 1) }} as p25_value,
        {{ value_at('described.quartiles', 3) }} as p75_value,
        population.population_mean,
        population.population_deviation,
        {{ standardised_difference('described.mean_value', 'population.population_mean', 'population.population_deviation') }}
            as standardised_difference
    from described
    inner join population
        on described.segmentation = population.segmentation and described.feature = population.feature
    inner join {{ ref('segments') }} as segments
        on described.segmentation = segments.segmentation and described.segment_id = segments.segment_id
)

select * from final
