-- One row per day, for metrics over time.
{{ config(materialized='table') }}

with recursive days as (
    select cast('2015-01-01' as date) as date_day

    union all

    select cast({{ dbt.dateadd('day', 1, 'date_day') }} as date) as date_day
    from days
    where date_day < cast('2035-12-31' as date)
)

select date_day
from days
