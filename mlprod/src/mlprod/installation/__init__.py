"""The library as a project has it: the wheel, its pin, and the environment in which it is
installed.
"""
