-- Every user with activity, with the newest address. Some are missing from the users that Gong lists.
with seen as (
    {%- for grain in var('gong_activity_grains') %}
    select user_id, user_email_address, period_end_date from {{ ref('stg_gong_activity__by_' ~ grain) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- else %}
    select user_id, email_address as user_email_address, cast(null as date) as period_end_date
    from {{ ref('stg_gong_activity__users') }}
    where false
    {%- endfor %}
),

ranked as (
    select
        user_id,
        user_email_address,
        row_number() over (
            partition by user_id
            order by case when user_email_address is null then 1 else 0 end, period_end_date desc, user_email_address
        ) as recency
    from seen
)

select user_id, user_email_address
from ranked
where recency = 1
