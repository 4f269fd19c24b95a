"""The installed library: its wheel, its pin in the project, and its virtual environment."""
