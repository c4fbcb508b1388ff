{{ config(enabled='month' in var('gong_activity_grains')) }}

{{ activity_fact('month') }}
