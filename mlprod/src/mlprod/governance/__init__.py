"""The organisation as data: files that are read, checked and obeyed."""
