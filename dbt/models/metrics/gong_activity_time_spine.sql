-- One row per day from 2015 to 2035, for metrics over time. No model reads it, so a project with its own time spine can
-- disable it.
{{ config(materialized='table') }}

with days as (
    {{ dbt.generate_series(7670) | indent(4) }}
)

select cast({{ dbt.dateadd('day', 'cast(generated_number - 1 as integer)', "cast('2015-01-01' as date)") }} as date) as date_day
from days
