{#
  The newest row per key of a stream that a loader may only append to.

  Every run of the tap reads the last days again, so loaders that append keep several rows per key. Rows that don't say when
  they were extracted, such as those of a BATCH, come last.
#}
{% macro newest_row(stream, key) -%}
{% set extracted_at = var('gong_activity_extracted_at') -%}
select *
from (
    select
        loaded.*,
        row_number() over (
            partition by {{ key | join(', ') }}
            order by {% if extracted_at %}{{ extracted_at }} desc nulls last{% else %}{{ key | join(', ') }}{% endif %}
        ) as row_recency
    from {{ loaded_stream(stream) }} as loaded
) as ranked
where row_recency = 1
{%- endmacro %}
