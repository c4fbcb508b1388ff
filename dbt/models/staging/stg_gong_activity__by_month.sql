{{ config(enabled='month' in var('gong_activity_grains')) }}

{{ stage_activity('month') }}
