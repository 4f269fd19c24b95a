"""The bundle: the files of a model, how they are written, and the checks before they are used."""
