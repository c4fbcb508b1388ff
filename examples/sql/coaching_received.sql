-- Coaching that a rep received: on how many of the rep's calls somebody acted, month by month.
--
-- Reads activity_by_month. A call counts once in each column, and in the month in which somebody acted on it, which can
-- be later than the month of the call: the last column is a measure of coaching and not a share.
select
    coalesce(user_email_address, user_id) as rep,
    cast(period_start_date as date) as month,
    calls_as_host,
    calls_received_feedback,
    calls_comments_received,
    calls_scorecards_received,
    calls_marked_as_feedback_received,
    round(10.0 * calls_received_feedback / calls_as_host, 1) as feedback_for_each_ten_calls
from gong_activity.activity_by_month
where is_complete and calls_as_host > 0
order by rep, month;
