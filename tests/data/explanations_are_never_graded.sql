select
    claim_id,
    verdict,
    verdict_label,
    use_it
from {{ ref('claim_verdicts') }}
where
    claim_type = 'explanation'
    and coalesce(
        verdict, verdict_label, use_it, mart, metric, cast(figure_reproduces as {{ text_type() }}),
        cast(estimate as {{ text_type() }}), cast(adjusted_p as {{ text_type() }})
    ) is not null
