{#
  An instant as a timestamp without time zone, in UTC. Loaders write either that, a timestamp with time zone, or text that
  ends in Z.
#}
{% macro as_utc(column) -%}
{{ return(adapter.dispatch('as_utc', 'gong_activity')(column)) }}
{%- endmacro %}

{% macro default__as_utc(column) -%}
cast(cast(cast({{ column }} as varchar) as timestamp with time zone) at time zone 'UTC' as timestamp)
{%- endmacro %}

{% macro snowflake__as_utc(column) -%}
convert_timezone('UTC', to_timestamp_tz(to_varchar({{ column }})))::timestamp_ntz
{%- endmacro %}
