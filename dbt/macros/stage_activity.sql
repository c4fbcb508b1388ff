{#
  An activity stream with the types that its schema declares: some loaders write dates and times as text.
#}
{% macro stage_activity(grain) -%}
with newest as (
    {{ newest_row('activity_by_' ~ grain, ['user_id', 'period_start_date']) | indent(4) }}
)

select
    cast(user_id as {{ dbt.type_string() }}) as user_id,
    cast(user_email_address as {{ dbt.type_string() }}) as user_email_address,
    cast(aggregation_period as {{ dbt.type_string() }}) as aggregation_period,
    cast(period_start_date as date) as period_start_date,
    cast(period_end_date as date) as period_end_date,
    {{ as_utc('period_start_at') }} as period_start_at,
    {{ as_utc('period_end_at') }} as period_end_at,
    cast(is_complete as boolean) as is_complete
    {%- for counter in counters() %},
    cast({{ counter }} as {{ dbt.type_bigint() }}) as {{ counter }}
    {%- endfor %}
from newest
{%- endmacro %}
