{#
  The newest row per key of a stream that a loader may only append to.

  Every run of the tap reads the last days again, so loaders that append keep several rows per key. Rows that don't say when
  they were extracted, such as those of a BATCH, come last. If no row says so, all are returned: a key that comes twice must
  fail the tests, because nothing shows which of its rows is newer.
#}
{% macro newest_row(stream, key) -%}
{% set extracted_at = var('gong_activity_extracted_at') -%}
{% if not extracted_at -%}
select * from {{ loaded_stream(stream) }}
{%- else -%}
select *
from (
    select
        loaded.*,
        row_number() over (
            partition by {{ key | join(', ') }} order by {{ extracted_at }} desc nulls last
        ) as row_recency
    from {{ loaded_stream(stream) }} as loaded
) as ranked
where row_recency = 1
{%- endif %}
{%- endmacro %}
