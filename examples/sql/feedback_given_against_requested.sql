-- Feedback asked for and feedback given, in the whole company, month by month.
--
-- Reads activity_by_month. Feedback is also given unasked, so more can be given than was asked for.
select
    cast(period_start_date as date) as month,
    sum(calls_requested_feedback) as requested,
    sum(calls_gave_feedback) as given,
    sum(calls_gave_feedback) - sum(calls_requested_feedback) as given_beyond_requests,
    count(case when calls_gave_feedback > 0 then 1 end) as users_who_gave
from gong_activity.activity_by_month
where is_complete
group by period_start_date
order by month;
