"""A baked project whose four files speak of 20 fields, with a promoted model, for serving and batch
scoring.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from measure import environment, sources

SIDES = Path(__file__).parent / "sides"


@dataclass(frozen=True)
class Trained:
    """`env` is the environment of its verbs; `state` what they leave behind."""

    project: Path
    python: Path
    state: Path
    env: dict[str, str]

    def run(self, *command: object, env: dict[str, str] | None = None) -> str:
        """What a command says. Raises ValueError, with that, when it fails."""
        message = subprocess.run(
            [*map(str, command)],
            cwd=self.project,
            env=env or self.env,
            capture_output=True,
            text=True,
        )
        if message.returncode:
            raise ValueError(f"{command[1:]}: {message.stdout}{message.stderr}")
        return message.stdout.strip()


def trained(data: Path, project: Path, python: Path) -> Trained:
    """Lay the domain over a copy of the project below `data`, made anew; train and promote by its
    own verbs.
    """
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(project, data / "project", ignore=shutil.ignore_patterns(".git", "var"))
    project, state = data / "project", data / "state"
    for source in (*(SIDES / "domain").glob("[!_]*.py"), SIDES / "rules.py"):
        shutil.copy2(source, project / "src" / "baked")
    env = environment(
        PYTHONPATH=sources(project), ML_STATE_DIR=state, ML_KEYS_FILE=data / "keys.json"
    )
    made = Trained(project, python, state, env)
    for verb in ("train", "promote --reason bench", "sync", "migrate"):
        made.run(python, "-m", "baked", *verb.split())
    return made
