{# The complete periods of one grain, with the user they belong to. #}
{% macro activity_fact(grain) -%}
select
    activity.user_id,
    users.manager_id,
    activity.period_start_date,
    activity.period_end_date
    {%- for counter in counters() %},
    activity.{{ counter }}
    {%- endfor %}
from {{ ref('stg_gong_activity__by_' ~ grain) }} as activity
inner join {{ ref('dim_gong_users') }} as users on users.user_id = activity.user_id
where activity.is_complete
{%- endmacro %}
