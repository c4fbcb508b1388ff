-- One row per user and manager above them, at any distance, and one per user and themselves.
select user_id, manager_id, levels_between
from {{ ref('int_gong_manager_chains') }}
