"""Singer tap for Gong's user activity aggregated by period."""
