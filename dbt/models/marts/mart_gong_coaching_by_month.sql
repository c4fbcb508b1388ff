-- Coaching that each person gave and received, beside the calls they hosted, month by month.
{{ config(enabled='month' in var('gong_activity_grains')) }}

with months as (
    select distinct period_start_date as month, period_end_date as month_end
    from {{ ref('stg_gong_activity__by_month') }}
    where is_complete
),

-- Gong returns no row for a user who was idle for a whole request, so the spine says who is missing: everybody who had
-- an account in that month.
spine as (
    select users.user_id, users.manager_id, months.month
    from months
    cross join {{ ref('dim_gong_users') }} as users
    where
        (users.created_at is null or users.created_at < months.month_end)
        and (
            coalesce(users.is_active, true)
            or exists (
                select 1
                from {{ ref('fct_gong_activity_by_month') }} as later
                where later.user_id = users.user_id and later.period_start_date >= months.month
            )
        )
),

facts as (
    select * from {{ ref('fct_gong_activity_by_month') }}
)

select
    spine.user_id,
    users.user_name,
    users.email_address,
    spine.manager_id as team_id,
    users.manager_name as team_name,
    spine.month,
    {%- for counter in [
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
    coalesce(facts.{{ counter }}, 0) as {{ counter }},
    {%- endfor %}
    facts.user_id is not null as has_activity_rows
from spine
inner join {{ ref('dim_gong_users') }} as users on users.user_id = spine.user_id
left join facts on facts.user_id = spine.user_id and facts.period_start_date = spine.month
