{#
  An instant as a timestamp without time zone, in UTC. Loaders write timestamps with time zone, text with an offset, or the
  tap's UTC without any: what that means must not depend on the session's time zone.
#}
{% macro as_utc(column) -%}
{% set instant = 'cast(' ~ column ~ ' as varchar)' -%}
{% set time = 'substring(' ~ instant ~ ', 11)' -%}
case
        when {{ time }} like '%Z' or {{ time }} like '%+%' or {{ time }} like '%-%'
            then {{ adapter.dispatch('with_offset_as_utc', 'gong_activity')(instant) }}
        else {{ adapter.dispatch('without_offset', 'gong_activity')(instant) }}
    end
{%- endmacro %}

{% macro default__with_offset_as_utc(instant) -%}
cast({{ instant }} as timestamp with time zone) at time zone 'UTC'
{%- endmacro %}

{% macro snowflake__with_offset_as_utc(instant) -%}
cast(convert_timezone('UTC', to_timestamp_tz({{ instant }})) as timestamp_ntz)
{%- endmacro %}

{% macro default__without_offset(instant) -%}
cast({{ instant }} as timestamp)
{%- endmacro %}

{% macro snowflake__without_offset(instant) -%}
cast({{ instant }} as timestamp_ntz)
{%- endmacro %}
