"""The Singer side of the pipe: state, schemas, messages and progress."""
