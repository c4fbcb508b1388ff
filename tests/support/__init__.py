"""What the tests of the tap share."""
