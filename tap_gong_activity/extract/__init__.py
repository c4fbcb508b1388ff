"""From a date range to rows: no Singer, no HTTP."""
