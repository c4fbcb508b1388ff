{#
  The newest row per key of a table that a loader may only append to.

  Every run of the tap reads the last days again, so loaders that append keep several rows per key.
#}
{% macro newest_row(relation, key) -%}
{% set extracted_at = var('gong_activity_extracted_at') -%}
select *
from (
    select
        loaded.*,
        row_number() over (
            partition by {{ key | join(', ') }}
            order by {% if extracted_at %}{{ extracted_at }} desc{% else %}{{ key | join(', ') }}{% endif %}
        ) as row_recency
    from {{ relation }} as loaded
) as ranked
where row_recency = 1
{%- endmacro %}
