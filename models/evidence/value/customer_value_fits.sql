with draws as (
    select * from {{ ref('customer_value_draws') }}
),

fits as (
    select * from draws
    where draw = 0
),

bootstrap as (
    select
        model,
        parameter,
        count(estimate) as draw_count,
        stddev_samp(estimate) as standard_error,
        stddev_samp(ln(estimate)) as log_error
    from draws
    where draw > 0
    group by model, parameter
),

final as (
    select
        fits.model,
        fits.parameter,
        fits.estimate,
        bootstrap.standard_error,
        fits.estimate * exp(-{{ interval_z() }} * bootstrap.log_error) as estimate_low,
        fits.estimate * exp({{ interval_z() }} * bootstrap.log_error) as estimate_high,
        fits.fit_log_likelihood,
        fits.fit_status,
        fits.reason,
        cast(fits.customer_count as bigint) as customer_count,
        cast(coalesce(bootstrap.draw_count, 0) as bigint) as draw_count,
        fits.frequency_value_correlation
    from fits
    left join bootstrap on fits.model = bootstrap.model and fits.parameter = bootstrap.parameter
)

select * from final
