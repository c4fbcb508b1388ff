-- A longer period lies between the largest of its days and their sum, as examples/sql/reconcile.sql explains. Late data can
-- break that for a while, because months are read again for longer than days: a warning, not an error.
{{ config(severity='warn') }}
{%- set grains = var('gong_activity_grains') | reject('equalto', 'day') | list %}
{%- if 'day' not in var('gong_activity_grains') or not grains %}
select 1 as nothing_to_compare where false
{%- else %}
with days as (
    select * from {{ ref('stg_gong_activity__by_day') }} where is_complete
)
{%- for grain in grains %},

-- Only periods whose days are all loaded.
{{ grain }}_periods as (
    select distinct period_start_date, period_end_date
    from {{ ref('stg_gong_activity__by_' ~ grain) }}
    where
        is_complete
        and period_start_date >= (select min(period_start_date) from days)
        and period_end_date <= (select max(period_end_date) from days)
),

{{ grain }}_parts as (
    select
        periods.period_start_date,
        days.user_id
        {%- for counter in counters() %},
        max(days.{{ counter }}) as max_{{ counter }},
        sum(days.{{ counter }}) as sum_{{ counter }}
        {%- endfor %}
    from {{ grain }}_periods as periods
    inner join days
        on cast({{ dbt.date_trunc(grain, 'days.period_start_date') }} as date) = periods.period_start_date
    group by periods.period_start_date, days.user_id
),

{{ grain }}_wholes as (
    select wholes.*
    from {{ ref('stg_gong_activity__by_' ~ grain) }} as wholes
    inner join {{ grain }}_periods as periods on periods.period_start_date = wholes.period_start_date
),

-- No row is as good as a row of zeros.
{{ grain }}_compared as (
    select
        '{{ grain }}' as grain,
        coalesce(wholes.period_start_date, parts.period_start_date) as period_start_date,
        coalesce(wholes.user_id, parts.user_id) as user_id,
        concat(
            {%- for counter in counters() %}
            case
                when coalesce(wholes.{{ counter }}, 0) < coalesce(parts.max_{{ counter }}, 0)
                    or coalesce(wholes.{{ counter }}, 0) > coalesce(parts.sum_{{ counter }}, 0)
                    then '{{ counter }} '
                else ''
            end
            {%- if not loop.last %},{% endif %}
            {%- endfor %}
        ) as counters
    from {{ grain }}_wholes as wholes
    full outer join {{ grain }}_parts as parts
        on parts.user_id = wholes.user_id and parts.period_start_date = wholes.period_start_date
)
{%- endfor %}
{% for grain in grains %}
select * from {{ grain }}_compared where counters <> ''
{%- if not loop.last %}
union all
{%- endif %}
{%- endfor %}
{%- endif %}
