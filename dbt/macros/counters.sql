{# The fifteen counters of an activity row, in Gong's order. #}
{% macro counters() -%}
{{ return([
    'calls_as_host',
    'calls_gave_feedback',
    'calls_requested_feedback',
    'calls_received_feedback',
    'own_calls_listened_to',
    'others_calls_listened_to',
    'calls_shared_internally',
    'calls_shared_externally',
    'calls_scorecards_filled',
    'calls_scorecards_received',
    'calls_attended',
    'calls_comments_given',
    'calls_comments_received',
    'calls_marked_as_feedback_given',
    'calls_marked_as_feedback_received',
]) }}
{%- endmacro %}
