with newest as (
    {{ newest_row(source('gong_activity', 'users'), ['user_id']) | indent(4) }}
)

select
    cast(user_id as {{ dbt.type_string() }}) as user_id,
    cast(email_address as {{ dbt.type_string() }}) as email_address,
    cast(email_aliases as {{ dbt.type_string() }}) as email_aliases,
    cast(first_name as {{ dbt.type_string() }}) as first_name,
    cast(last_name as {{ dbt.type_string() }}) as last_name,
    cast(title as {{ dbt.type_string() }}) as title,
    -- A user can't be their own manager.
    cast(nullif(manager_id, user_id) as {{ dbt.type_string() }}) as manager_id,
    cast(is_active as boolean) as is_active,
    {{ as_utc('created_at') }} as created_at
from newest
