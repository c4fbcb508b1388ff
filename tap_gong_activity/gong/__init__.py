"""A client for Gong's API: no Singer, no settings."""
