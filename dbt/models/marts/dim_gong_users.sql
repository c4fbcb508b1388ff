-- One row per user: everybody whom Gong lists, and everybody else with activity.
with recursive listed as (
    select * from {{ ref('stg_gong_activity__users') }}
),

everybody as (
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
        -- A manager whom Gong doesn't list can't be followed any further.
        managers.user_id as manager_id,
        listed.is_active,
        listed.created_at,
        listed.user_id is not null as is_listed
    from listed
    full outer join {{ ref('stg_gong_activity__seen_users') }} as seen on seen.user_id = listed.user_id
    left join listed as managers on managers.user_id = listed.manager_id
),

-- From each user upward, one manager at a time. A loop in the data ends where it begins.
climb as (
    select
        user_id,
        user_id as reached_id,
        manager_id as next_id,
        0 as level,
        cast(concat('/', user_id, '/') as {{ dbt.type_string() }}) as path
    from everybody

    union all

    select
        climb.user_id,
        managers.user_id as reached_id,
        managers.manager_id as next_id,
        climb.level + 1 as level,
        cast(concat('/', managers.user_id, climb.path) as {{ dbt.type_string() }}) as path
    from climb
    inner join everybody as managers on managers.user_id = climb.next_id
    where climb.path not like concat('%/', managers.user_id, '/%')
),

tops as (
    select user_id, reached_id as top_manager_id, level as levels_below_top, path as manager_path
    from (
        select climb.*, row_number() over (partition by user_id order by level desc) as height
        from climb
    ) as ranked
    where height = 1
)

select
    everybody.user_id,
    everybody.user_name,
    everybody.first_name,
    everybody.last_name,
    everybody.email_address,
    everybody.email_aliases,
    everybody.title,
    everybody.manager_id,
    managers.user_name as manager_name,
    managers.email_address as manager_email_address,
    tops.top_manager_id,
    tops.levels_below_top,
    tops.manager_path,
    everybody.is_active,
    everybody.created_at,
    everybody.is_listed
from everybody
inner join tops on tops.user_id = everybody.user_id
left join everybody as managers on managers.user_id = everybody.manager_id
