"""Safe text for people: without secrets, and without control characters or markup."""
