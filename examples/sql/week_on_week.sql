-- Week on week: the company's calls and hosts, and how many more or fewer calls than the week before.
--
-- Reads activity_by_week. Weeks start on Monday; the week that is still running is left out.
with weeks as (
    select
        cast(period_start_date as date) as week,
        sum(calls_as_host) as calls,
        count(case when calls_as_host > 0 then 1 end) as hosts
    from gong_activity.activity_by_week
    where is_complete
    group by period_start_date
)
select
    week,
    calls,
    hosts,
    calls - lag(calls) over (order by week) as change,
    round(100.0 * (calls - lag(calls) over (order by week)) / nullif(lag(calls) over (order by week), 0), 1)
        as change_percent
from weeks
order by week;
