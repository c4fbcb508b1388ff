-- Coaching that each person gave and received, beside the calls they hosted, month by month.
{{ config(enabled='month' in var('gong_activity_grains')) }}

{%- set shown = [
    'calls_as_host',
    'calls_attended',
    'calls_gave_feedback',
    'calls_comments_given',
    'calls_scorecards_filled',
    'calls_marked_as_feedback_given',
    'others_calls_listened_to',
    'calls_requested_feedback',
    'calls_received_feedback',
    'calls_comments_received',
    'calls_scorecards_received',
    'calls_marked_as_feedback_received',
] %}

with activity as (
    select
        *,
        {% for counter in counters() %}{{ '' if loop.first else ' or ' }}coalesce({{ counter }}, 0) > 0{% endfor %} as has_activity
    from {{ ref('fct_gong_activity_by_month') }}
),

-- Every month from the first to the last, also one in which the whole company was idle. Its end is an instant, because
-- accounts are created at instants.
calendar as (
    select cast({{ dbt.dateadd('month', 'cast(generated_number - 1 as integer)', 'first_month') }} as date) as month, last_month
    from (select min(period_start_date) as first_month, max(period_start_date) as last_month from activity) as loaded
    -- Fifty years.
    cross join ({{ dbt.generate_series(600) | trim | indent(4) }}) as numbers
),

months as (
    select
        calendar.month,
        coalesce(max(loaded.period_end_at), cast({{ dbt.dateadd('month', 1, 'calendar.month') }} as timestamp)) as ends_at
    from calendar
    left join {{ ref('stg_gong_activity__by_month') }} as loaded on loaded.period_start_date = calendar.month
    where calendar.month <= calendar.last_month
    group by calendar.month
),

careers as (
    select user_id, min(period_start_date) as first_month, max(period_start_date) as last_month
    from activity
    where has_activity
    group by user_id
),

-- Which rows of zeros exist depends on the windows of the tap's requests, so the spine decides who counts in a month: users who
-- had an account by then, and who either still have it or were active in that month or later. For users that Gong doesn't
-- list, only their activity counts.
spine as (
    select users.user_id, users.user_name, users.email_address, users.manager_id, users.manager_name, months.month
    from {{ ref('dim_gong_users') }} as users
    cross join months
    left join careers on careers.user_id = users.user_id
    where
        (
            careers.first_month <= months.month
            or users.created_at < months.ends_at
            or (users.is_listed and users.created_at is null)
        )
        and (coalesce(users.is_active, users.is_listed) or careers.last_month >= months.month)
)

select
    spine.user_id,
    spine.user_name,
    spine.email_address,
    spine.manager_id as team_id,
    spine.manager_name as team_name,
    spine.month,
    {%- for counter in shown %}
    coalesce(activity.{{ counter }}, 0) as {{ counter }},
    {%- endfor %}
    coalesce(activity.has_activity, false) as has_activity
from spine
left join activity on activity.user_id = spine.user_id and activity.period_start_date = spine.month
