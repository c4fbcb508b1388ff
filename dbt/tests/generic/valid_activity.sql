{# Each row has this grain, a complete period has its length, and no counter is negative. Gong may leave a counter null. #}
{% test valid_activity(model, grain) %}
{%- set length = {'day': ['day', 1], 'week': ['day', 7], 'month': ['month', 1], 'quarter': ['month', 3], 'year': ['year', 1]} %}
select *
from {{ model }}
where
    aggregation_period <> '{{ grain | upper }}'
    or period_start_date <> cast({{ dbt.date_trunc(grain, 'period_start_date') }} as date)
    or (is_complete and period_end_date <> cast({{ dbt.dateadd(length[grain][0], length[grain][1], 'period_start_date') }} as date))
    {%- for counter in counters() %}
    or {{ counter }} < 0
    {%- endfor %}
{% endtest %}
