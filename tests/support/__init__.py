"""Helpers of the tap's tests."""
