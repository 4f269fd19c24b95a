"""What each verb of the command line does; it imports what it needs when it is called, or `help`
would take seconds.
"""
