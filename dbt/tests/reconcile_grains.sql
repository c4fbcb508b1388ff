-- A longer period lies between the largest of its days and their sum. Late data can break that for a while, because months
-- are read again for longer than days: a warning, not an error.
{{ config(severity='warn') }}
{%- set grains = var('gong_activity_grains') | reject('equalto', 'day') | list %}
{%- if 'day' not in var('gong_activity_grains') or not grains %}
select 1 as nothing_to_compare where false
{%- else %}
{%- for grain in grains %}
{%- for counter in counters() %}
select '{{ grain }}' as grain, '{{ counter }}' as counter, whole.user_id, whole.period_start_date
from {{ ref('stg_gong_activity__by_' ~ grain) }} as whole
inner join {{ ref('stg_gong_activity__by_day') }} as days
    on days.user_id = whole.user_id
    and days.period_start_date >= whole.period_start_date
    and days.period_start_date < whole.period_end_date
where whole.is_complete and days.is_complete
group by whole.user_id, whole.period_start_date, whole.period_end_date, whole.{{ counter }}
having
    whole.{{ counter }} < max(days.{{ counter }})
    -- Only where every day of the period is loaded: a range can start in mid-period.
    or (whole.{{ counter }} > sum(days.{{ counter }}) and count(*) = {{ dbt.datediff('whole.period_start_date', 'whole.period_end_date', 'day') }})
{%- if not loop.last %}
union all
{%- endif %}
{%- endfor %}
{%- if not loop.last %}
union all
{%- endif %}
{%- endfor %}
{%- endif %}
