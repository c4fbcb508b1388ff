{# The table of a stream; a build without it says what to do. #}
{% macro loaded_stream(stream) -%}
{% set table = source('gong_activity', stream) -%}
{% if execute and flags.WHICH in ['build', 'run'] and load_relation(table) is none -%}
    {{ exceptions.raise_compiler_error(
        table ~ " doesn't exist. Select the stream " ~ stream ~ " in the tap"
        ~ ("" if stream == "users" else ", or leave it out of the variable gong_activity_grains")
        ~ "; if it's loaded elsewhere, set gong_activity_schema, gong_activity_database or gong_activity_tables."
    ) }}
{%- endif %}
{{- table }}
{%- endmacro %}
