-- Without users, everybody would look unlisted, without a team.
select 1 as nobody_is_listed
where not exists (select 1 from {{ ref('stg_gong_activity__users') }})
