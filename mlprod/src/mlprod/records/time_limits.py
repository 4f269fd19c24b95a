"""How long connections to the records may take, in seconds."""

WAIT = 3  # for a connection, a lock or a statement
LONG_WAIT = 3_600  # for work that nobody waits for: migrations, reports
RECYCLE = 300  # after which a connection is made again: the name may lead to another server by now
