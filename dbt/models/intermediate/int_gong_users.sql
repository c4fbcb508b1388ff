-- Everybody whom Gong lists, and everybody else with activity.
with listed as (
    select * from {{ ref('stg_gong_activity__users') }}
)

select
    coalesce(listed.user_id, seen.user_id) as user_id,
    coalesce(listed.email_address, seen.user_email_address) as email_address,
    listed.email_aliases,
    listed.first_name,
    listed.last_name,
    coalesce(
        nullif(trim(concat(coalesce(listed.first_name, ''), ' ', coalesce(listed.last_name, ''))), ''),
        listed.email_address,
        seen.user_email_address,
        listed.user_id,
        seen.user_id
    ) as user_name,
    listed.title,
    managers.user_id as manager_id,
    case
        when listed.manager_id is null then 'none'
        when listed.manager_id = listed.user_id then 'self'
        when managers.user_id is null then 'not listed'
        else 'listed'
    end as manager_status,
    listed.is_active,
    listed.created_at,
    listed.user_id is not null as is_listed
from listed
full outer join {{ ref('stg_gong_activity__seen_users') }} as seen on seen.user_id = listed.user_id
-- Nobody is their own manager, and a manager whom Gong doesn't list can't be followed any further.
left join listed as managers on managers.user_id = listed.manager_id and managers.user_id <> listed.user_id
