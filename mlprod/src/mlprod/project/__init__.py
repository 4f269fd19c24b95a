"""The project that uses this library: its folder, its four files and its extensions."""
