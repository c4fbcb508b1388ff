{{ config(enabled='week' in var('gong_activity_grains')) }}

{{ stage_activity('week') }}
