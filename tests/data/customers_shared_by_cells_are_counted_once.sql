-- Channels, products and months share customers: a total over them is at least its largest cell and at most their sum,
-- and is computed on its own.
{% set totals = [
    ('segment_engagement', 'reached_customer_count', 'segment_channel_engagement', 'reached_customer_count'),
    ('segment_ownership', 'holder_count', 'segment_product_ownership', 'holder_count'),
    ('segment_ownership', 'buyer_count', 'segment_product_ownership', 'buyer_count'),
] %}

with compared as (
    {% for mart, total, cells_mart, count in totals %}
    select
        '{{ mart }}.{{ total }}' as total_name,
        totals.segmentation,
        totals.segment_id,
        max(totals.{{ total }}) as total_count,
        max(cells.{{ count }}) as largest_cell,
        sum(cells.{{ count }}) as sum_of_cells
    from {{ ref(mart) }} as totals
    inner join {{ ref(cells_mart) }} as cells
        on totals.segmentation = cells.segmentation and totals.segment_id = cells.segment_id
    group by totals.segmentation, totals.segment_id
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select *
from compared
where total_count < largest_cell or total_count > sum_of_cells
