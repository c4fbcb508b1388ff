-- Who has gone quiet: users who hosted calls in a month and none in the month after.
--
-- Reads activity_by_month. Gong returns no row for users without any activity, so a missing row means a quiet month.
with months as (
    select distinct
        cast(period_start_date as date) as month,
        cast(period_end_date as date) as month_after
    from gong_activity.activity_by_month
    where is_complete
)
select
    months.month_after as quiet_month,
    coalesce(before.user_email_address, before.user_id) as host,
    before.calls_as_host as calls_in_the_month_before
from months
inner join gong_activity.activity_by_month as before
    on cast(before.period_start_date as date) = months.month and before.calls_as_host > 0
-- Only months that have been read to their end can be called quiet.
inner join months as quiet on quiet.month = months.month_after
left join gong_activity.activity_by_month as after
    on after.user_id = before.user_id
    and cast(after.period_start_date as date) = quiet.month
    and after.calls_as_host > 0
where after.user_id is null
order by quiet_month, host;
