"""The Singer side: catalog, state, schemas, messages and progress."""
