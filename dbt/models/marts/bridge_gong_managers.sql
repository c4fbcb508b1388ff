-- One row per user and manager above them, at any distance, and one per user and themselves.
with recursive climb as (
    select
        user_id,
        user_id as manager_id,
        manager_id as next_id,
        0 as levels_between,
        cast(concat('/', user_id, '/') as {{ dbt.type_string() }}) as path
    from {{ ref('dim_gong_users') }}

    union all

    select
        climb.user_id,
        managers.user_id as manager_id,
        managers.manager_id as next_id,
        climb.levels_between + 1 as levels_between,
        cast(concat('/', managers.user_id, climb.path) as {{ dbt.type_string() }}) as path
    from climb
    inner join {{ ref('dim_gong_users') }} as managers on managers.user_id = climb.next_id
    where climb.path not like concat('%/', managers.user_id, '/%')
)

select user_id, manager_id, levels_between
from climb
