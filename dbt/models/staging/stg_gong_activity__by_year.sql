{{ config(enabled='year' in var('gong_activity_grains')) }}

{{ stage_activity('year') }}
