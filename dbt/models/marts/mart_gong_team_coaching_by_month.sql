-- The same per team: a manager's direct reports.
{{ config(enabled='month' in var('gong_activity_grains')) }}

select
    team_id,
    team_name,
    month,
    count(*) as members,
    sum(calls_as_host) as calls_as_host,
    sum(calls_attended) as calls_attended,
    sum(calls_gave_feedback) as calls_gave_feedback,
    sum(calls_requested_feedback) as calls_requested_feedback,
    sum(calls_received_feedback) as calls_received_feedback,
    sum(case when calls_as_host > 0 then 1 else 0 end) as members_who_hosted,
    sum(case when calls_as_host > 0 and calls_received_feedback = 0 then 1 else 0 end) as members_without_feedback
from {{ ref('mart_gong_coaching_by_month') }}
where team_id is not null
group by team_id, team_name, month
