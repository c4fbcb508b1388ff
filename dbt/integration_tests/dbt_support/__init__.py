"""What the tests of the dbt package share."""
