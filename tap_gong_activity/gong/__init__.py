"""A client for Gong's API; it depends on neither Singer nor the tap's settings."""
