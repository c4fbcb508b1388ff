{{ config(enabled='year' in var('gong_activity_grains')) }}

{{ activity_fact('year') }}
