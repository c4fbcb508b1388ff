-- The same per team: a manager's direct reports, without the manager.
{{ config(enabled='month' in var('gong_activity_grains')) }}

select
    team_id,
    team_name,
    month,
    count(*) as members,
    {%- for counter in ['calls_as_host', 'calls_attended', 'calls_gave_feedback', 'calls_requested_feedback', 'calls_received_feedback'] %}
    cast(sum({{ counter }}) as {{ dbt.type_bigint() }}) as {{ counter }},
    {%- endfor %}
    count(case when calls_as_host > 0 then 1 end) as members_who_hosted,
    count(case when calls_as_host > 0 and calls_received_feedback = 0 then 1 end) as members_without_feedback
from {{ ref('mart_gong_coaching_by_month') }}
where team_id is not null
group by team_id, team_name, month
