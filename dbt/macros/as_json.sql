{# An array as JSON text. Loaders write arrays, JSON, or text that holds JSON. #}
{% macro as_json(column) -%}
{{ return(adapter.dispatch('as_json', 'gong_activity')(column)) }}
{%- endmacro %}

{% macro default__as_json(column) -%}
cast({{ column }} as {{ dbt.type_string() }})
{%- endmacro %}

{% macro duckdb__as_json(column) -%}
case when typeof({{ column }}) like '%[]' then cast(to_json({{ column }}) as varchar) else cast({{ column }} as varchar) end
{%- endmacro %}

{% macro postgres__as_json(column) -%}
case when cast(pg_typeof({{ column }}) as text) like '%[]' then cast(to_json({{ column }}) as text) else cast({{ column }} as text) end
{%- endmacro %}
