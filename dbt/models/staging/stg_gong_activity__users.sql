with newest as (
    {{ newest_row('users', ['user_id']) | indent(4) }}
)

select
    cast(user_id as {{ dbt.type_string() }}) as user_id,
    cast(email_address as {{ dbt.type_string() }}) as email_address,
    {{ as_json('email_aliases') }} as email_aliases,
    cast(first_name as {{ dbt.type_string() }}) as first_name,
    cast(last_name as {{ dbt.type_string() }}) as last_name,
    cast(title as {{ dbt.type_string() }}) as title,
    cast(manager_id as {{ dbt.type_string() }}) as manager_id,
    cast(is_active as boolean) as is_active,
    {{ as_utc('created_at') }} as created_at
from newest
