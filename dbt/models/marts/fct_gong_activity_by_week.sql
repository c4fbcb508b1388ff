{{ config(enabled='week' in var('gong_activity_grains')) }}

{{ activity_fact('week') }}
