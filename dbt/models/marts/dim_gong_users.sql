-- One row per user: everybody whom Gong lists, and everybody else with activity.
with users as (
    select * from {{ ref('int_gong_users') }}
),

chains as (
    select
        user_id,
        manager_id as last_manager_id,
        levels_between,
        manager_path,
        next_id is not null as is_loop,
        row_number() over (partition by user_id order by levels_between desc) as height
    from {{ ref('int_gong_manager_chains') }}
)

select
    users.user_id,
    users.user_name,
    users.first_name,
    users.last_name,
    users.email_address,
    users.email_aliases,
    users.title,
    users.manager_id,
    managers.user_name as manager_name,
    managers.email_address as manager_email_address,
    case when chains.is_loop then 'loop' else users.manager_status end as manager_status,
    case when not chains.is_loop then chains.last_manager_id end as top_manager_id,
    case when not chains.is_loop then chains.levels_between end as levels_below_top,
    chains.manager_path,
    users.is_active,
    users.created_at,
    users.is_listed
from users
inner join chains on chains.user_id = users.user_id and chains.height = 1
left join users as managers on managers.user_id = users.manager_id
