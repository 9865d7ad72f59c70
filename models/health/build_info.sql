with fits as (
    select distinct fit_id
    from {{ ref('current_fits') }}
),

fit_list as (
    select {{ dbt.listagg('fit_id', "', '", 'order by fit_id') }} as fit_ids
    from fits
),

final as (
    select
        as_of.as_of_on,
        as_of.as_of_method,
        as_of.window_starts_after,
        {{ quoted(source_name()) }} as source_name,
        {{ quoted(input_hash()) }} as input_hash,
        {{ quoted(local_md5(tojson(active_segmentations() if execute else [], sort_keys=true))) }} as specification_hash,
        fit_list.fit_ids,
        {{ quoted(var('currency')) }} as currency,
        {{ quoted(primary_segmentation() if execute else '') }} as primary_segmentation,
        cast({{ var('confidence_level') }} as double) as confidence_level,
        cast({{ var('suppressed_cell_customers') }} as bigint) as suppressed_cell_customers,
        {{ quoted(var('project_version')) }} as project_version,
        {{ quoted(var('contract_version')) }} as contract_version,
        {{ quoted(dbt_version) }} as dbt_version,
        {{ engine_version() }} as engine_version
    from {{ ref('as_of') }} as as_of
    cross join fit_list
)

select * from final
