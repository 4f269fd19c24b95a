"""Governance as data: files of the organization that are read, checked and enforced."""
