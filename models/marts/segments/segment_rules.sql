with rules as (
    select * from {{ ref('segment_tree_rules') }}
),

segments as (
    select * from {{ ref('segments') }}
),

final as (
    select
        rules.segmentation,
        rules.segment_id,
        segments.segment_name,
        rules.fit_id,
        rules.rule_number,
        rules.rule,
        rules.covered_count,
        {{ ratio('rules.covered_count', 'rules.entity_count') }} as covered_share,
        rules.held_out_count,
        rules.hit_count,
        {{ ratio('rules.hit_count', 'rules.held_out_count') }} as rule_precision,
        {{ proportion_low('rules.hit_count', 'rules.held_out_count') }} as rule_precision_low,
        {{ proportion_high('rules.hit_count', 'rules.held_out_count') }} as rule_precision_high,
        rules.member_count,
        {{ ratio('rules.hit_count', 'rules.member_count') }} as member_share,
        {{ proportion_low('rules.hit_count', 'rules.member_count') }} as member_share_low,
        {{ proportion_high('rules.hit_count', 'rules.member_count') }} as member_share_high,
        rules.tested_count,
        rules.agreed_count,
        {{ ratio('rules.agreed_count', 'rules.tested_count') }} as fidelity,
        {{ proportion_low('rules.agreed_count', 'rules.tested_count') }} as fidelity_low,
        {{ proportion_high('rules.agreed_count', 'rules.tested_count') }} as fidelity_high
    from rules
    inner join segments
        on rules.segmentation = segments.segmentation and rules.segment_id = segments.segment_id
)

select * from final
