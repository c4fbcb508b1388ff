-- Whose managers can't be followed to the top: Gong's hierarchy has a loop, or a manager whom Gong doesn't list. A warning,
-- because only Gong's administrators can change it.
{{ config(severity='warn') }}

select user_id, user_name, manager_status, manager_path
from {{ ref('dim_gong_users') }}
where manager_status in ('loop', 'not listed')
