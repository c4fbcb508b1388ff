-- Do days and months agree? Each row is a warning; no rows means that they do.
--
-- Reads activity_by_day and activity_by_month; for another grain, replace activity_by_month everywhere. Gong counts a
-- call once per period, so for every user and counter: busiest day <= month <= sum of the days. Only months whose days
-- are all loaded are checked. Counters overlap, so nothing can be checked, or added up, across counters.
--
-- below the busiest day: the day was read after the month.
-- above the sum of the days: the month was read after its days. That's common: late feedback still changes old days, and
--     the lookback reads a whole month again, but only lookback_days of its days. Raise lookback_days to see less of it.
-- gap: nobody has a row between two periods. Either nobody was active for the length of a window, or rows were lost.
--     Gaps of single users mean nothing: Gong returns no rows for users who were idle in the whole window.
with days as (
    select
        user_id,
        cast(period_start_date as date) as start_date,
        cast(period_end_date as date) as end_date,
        unnest(array[
            'calls_as_host', 'calls_gave_feedback', 'calls_requested_feedback', 'calls_received_feedback',
            'own_calls_listened_to', 'others_calls_listened_to', 'calls_shared_internally',
            'calls_shared_externally', 'calls_scorecards_filled', 'calls_scorecards_received',
            'calls_attended', 'calls_comments_given', 'calls_comments_received',
            'calls_marked_as_feedback_given', 'calls_marked_as_feedback_received'
        ]) as counter,
        unnest(array[
            calls_as_host, calls_gave_feedback, calls_requested_feedback, calls_received_feedback,
            own_calls_listened_to, others_calls_listened_to, calls_shared_internally, calls_shared_externally,
            calls_scorecards_filled, calls_scorecards_received, calls_attended, calls_comments_given,
            calls_comments_received, calls_marked_as_feedback_given, calls_marked_as_feedback_received
        ]) as calls
    from gong_activity.activity_by_day
    where is_complete
),
months as (
    select
        user_id,
        cast(period_start_date as date) as start_date,
        cast(period_end_date as date) as end_date,
        unnest(array[
            'calls_as_host', 'calls_gave_feedback', 'calls_requested_feedback', 'calls_received_feedback',
            'own_calls_listened_to', 'others_calls_listened_to', 'calls_shared_internally',
            'calls_shared_externally', 'calls_scorecards_filled', 'calls_scorecards_received',
            'calls_attended', 'calls_comments_given', 'calls_comments_received',
            'calls_marked_as_feedback_given', 'calls_marked_as_feedback_received'
        ]) as counter,
        unnest(array[
            calls_as_host, calls_gave_feedback, calls_requested_feedback, calls_received_feedback,
            own_calls_listened_to, others_calls_listened_to, calls_shared_internally, calls_shared_externally,
            calls_scorecards_filled, calls_scorecards_received, calls_attended, calls_comments_given,
            calls_comments_received, calls_marked_as_feedback_given, calls_marked_as_feedback_received
        ]) as calls
    from gong_activity.activity_by_month
    where is_complete
),
checked as (
    select distinct months.start_date, months.end_date
    from months
    inner join (select min(start_date) as start_date, max(end_date) as end_date from days) as loaded
        on months.start_date >= loaded.start_date and months.end_date <= loaded.end_date
),
by_days as (
    select
        checked.start_date,
        days.user_id,
        days.counter,
        max(days.calls) as busiest_day,
        sum(days.calls) as sum_of_days
    from checked
    inner join days on days.start_date >= checked.start_date and days.end_date <= checked.end_date
    group by checked.start_date, days.user_id, days.counter
),
by_month as (
    select months.start_date, months.user_id, months.counter, months.calls
    from months
    inner join checked on checked.start_date = months.start_date
),
compared as (
    select
        coalesce(by_month.start_date, by_days.start_date) as start_date,
        coalesce(by_month.user_id, by_days.user_id) as user_id,
        coalesce(by_month.counter, by_days.counter) as counter,
        -- No row is as good as a row of zeros.
        coalesce(by_month.calls, 0) as month,
        coalesce(by_days.busiest_day, 0) as busiest_day,
        coalesce(by_days.sum_of_days, 0) as sum_of_days
    from by_month
    full join by_days
        on by_days.start_date = by_month.start_date
        and by_days.user_id = by_month.user_id
        and by_days.counter = by_month.counter
),
periods as (
    select distinct 'activity_by_day' as stream, start_date, end_date from days
    union all
    select distinct 'activity_by_month', start_date, end_date from months
),
neighbors as (
    select stream, end_date, lead(start_date) over (partition by stream order by start_date) as next_start_date
    from periods
)
select
    case when month < busiest_day then 'below the busiest day' else 'above the sum of the days' end as warning,
    'activity_by_month' as stream,
    start_date,
    user_id,
    counter,
    month,
    busiest_day,
    sum_of_days
from compared
where month < busiest_day or month > sum_of_days
union all
select 'gap', stream, end_date, null, null, null, null, null
from neighbors
where next_start_date > end_date
order by warning, stream, start_date, user_id, counter;
