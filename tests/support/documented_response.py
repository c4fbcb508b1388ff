"""The example response in Gong's documentation of the endpoint, verbatim."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from tap_gong_activity.extract.periods import Grain
from tap_gong_activity.extract.windows import Window

TEXT = """\
{
  "requestId": "4al018gzaztcr8nbukw",
  "records": {
    "totalRecords": 263,
    "currentPageSize": 100,
    "currentPageNumber": 0,
    "cursor": "eyJhbGciOiJIUzI1NiJ9.eyJjYWxsSWQiM1M30.6qKwpOcvnuweTZmFRzYdtjs_YwJphJU4QIwWFM"
  },
  "usersAggregateActivity": [
    {
      "userId": "234599484848423",
      "userEmailAddress": "test@test.com",
      "userAggregateActivity": [
        {
          "callsAsHost": 20,
          "callsGaveFeedback": 35,
          "callsRequestedFeedback": 77,
          "callsReceivedFeedback": 67,
          "ownCallsListenedTo": 668,
          "othersCallsListenedTo": 96,
          "callsSharedInternally": 478,
          "callsSharedExternally": 75,
          "callsScorecardsFilled": 876,
          "callsScorecardsReceived": 876,
          "callsAttended": 46,
          "callsCommentsGiven": 21,
          "callsCommentsReceived": 13,
          "callsMarkedAsFeedbackGiven": 24,
          "callsMarkedAsFeedbackReceived": 35,
          "fromDate": "2019-01-20T00:00:00-08:00",
          "toDate": "2019-01-21T000:00:00-08:00"
        }
      ]
    }
  ]
}
"""
"""Its toDate is malformed in Gong's documentation too."""

CURSOR = "eyJhbGciOiJIUzI1NiJ9.eyJjYWxsSWQiM1M30.6qKwpOcvnuweTZmFRzYdtjs_YwJphJU4QIwWFM"

COUNTERS = {
    "callsAsHost": "calls_as_host",
    "callsGaveFeedback": "calls_gave_feedback",
    "callsRequestedFeedback": "calls_requested_feedback",
    "callsReceivedFeedback": "calls_received_feedback",
    "ownCallsListenedTo": "own_calls_listened_to",
    "othersCallsListenedTo": "others_calls_listened_to",
    "callsSharedInternally": "calls_shared_internally",
    "callsSharedExternally": "calls_shared_externally",
    "callsScorecardsFilled": "calls_scorecards_filled",
    "callsScorecardsReceived": "calls_scorecards_received",
    "callsAttended": "calls_attended",
    "callsCommentsGiven": "calls_comments_given",
    "callsCommentsReceived": "calls_comments_received",
    "callsMarkedAsFeedbackGiven": "calls_marked_as_feedback_given",
    "callsMarkedAsFeedbackReceived": "calls_marked_as_feedback_received",
}
"""Gong's fifteen counters in Gong's order, and their columns."""


def example() -> dict[str, Any]:
    """Return a copy of the example that a test can change."""
    response: dict[str, Any] = json.loads(TEXT)
    return response


WINDOW = Window(Grain.DAY, date(2019, 1, 20), date(2019, 1, 21))
"""The window of the example."""
