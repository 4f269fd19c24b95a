"""Time limits of connections to the records, in seconds."""

# for a connection, a lock or a statement
WAIT = 3
# for work that nobody waits for: migrations, reports
LONG_WAIT = 3_600
# After this time a connection is renewed, because its host name may have a new address.
RECYCLE = 300
