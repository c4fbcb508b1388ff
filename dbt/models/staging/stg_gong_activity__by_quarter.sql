{{ config(enabled='quarter' in var('gong_activity_grains')) }}

{{ stage_activity('quarter') }}
