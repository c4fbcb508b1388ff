"""What every layer uses: clock, errors, redaction and statistics."""
