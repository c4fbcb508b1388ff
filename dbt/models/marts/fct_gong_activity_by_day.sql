{{ config(enabled='day' in var('gong_activity_grains')) }}

{{ activity_fact('day') }}
