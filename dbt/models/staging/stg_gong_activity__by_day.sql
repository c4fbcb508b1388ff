{{ config(enabled='day' in var('gong_activity_grains')) }}

{{ stage_activity('day') }}
