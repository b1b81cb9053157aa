"""SOQL: read by a grammar, resolved against the schema, compiled to one SQLite statement."""
