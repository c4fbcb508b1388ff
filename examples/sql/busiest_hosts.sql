-- Who hosted most calls: the ten busiest hosts of each month.
--
-- Reads activity_by_month. The month that is still running is left out.
select month, place, host, calls_as_host, calls_attended
from (
    select
        cast(period_start_date as date) as month,
        rank() over (partition by period_start_date order by calls_as_host desc) as place,
        -- Some accounts have no e-mail address.
        coalesce(user_email_address, user_id) as host,
        calls_as_host,
        calls_attended
    from gong_activity.activity_by_month
    where is_complete and calls_as_host > 0
) as ranked
where place <= 10
order by month, place, host;
