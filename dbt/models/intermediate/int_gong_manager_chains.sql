-- From each user upward, one manager at a time. A loop ends before it reaches anybody for the second time.
with recursive users as (
    select user_id, manager_id from {{ ref('int_gong_users') }}
),

climb as (
    select
        user_id,
        user_id as manager_id,
        manager_id as next_id,
        0 as levels_between,
        cast(concat('/', user_id, '/') as {{ dbt.type_string() }}) as manager_path
    from users

    union all

    select
        climb.user_id,
        managers.user_id as manager_id,
        managers.manager_id as next_id,
        climb.levels_between + 1 as levels_between,
        cast(concat('/', managers.user_id, climb.manager_path) as {{ dbt.type_string() }}) as manager_path
    from climb
    inner join users as managers on managers.user_id = climb.next_id
    where {{ dbt.position("concat('/', managers.user_id, '/')", 'climb.manager_path') }} = 0
)

select user_id, manager_id, levels_between, manager_path, next_id
from climb
