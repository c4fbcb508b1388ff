{#
  Between the first and the last period, none is missing for the whole company. A single user can have gaps: Gong returns
  no rows for whoever was idle for a whole request. So the company can have one, too, if everybody was: a warning.
#}
{% test no_missing_period(model, start_column, end_column) %}
{{ config(severity='warn') }}
with periods as (
    select distinct {{ start_column }} as period_start, {{ end_column }} as period_end
    from {{ model }}
    where is_complete
),

following as (
    select period_start, period_end, lead(period_start) over (order by period_start) as next_start
    from periods
)

select *
from following
where next_start <> period_end
{% endtest %}
