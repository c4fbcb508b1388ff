{{ config(enabled='quarter' in var('gong_activity_grains')) }}

{{ activity_fact('quarter') }}
