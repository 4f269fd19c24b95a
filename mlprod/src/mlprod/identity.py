"""The name of the person who runs a command, for the records.

Standard library only, so that the kill switch starts without delay.
"""

import getpass
import shutil
import subprocess


def whoami() -> str:
    """Return the e-mail address of git's configuration, or the name of the account."""
    if git := shutil.which("git"):
        command = [git, "config", "user.email"]
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
        if done.stdout.strip():
            return done.stdout.strip()
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may run under a user id without a name.
        return "unknown"
