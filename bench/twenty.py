"""A baked project with 20 fields and a promoted model, for serving and batch scoring."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from measure import environment, sources

SIDES = Path(__file__).parent / "sides"


@dataclass(frozen=True)
class Trained:
    """The project; `env` is the environment of its verbs, `state` the folder of their results."""

    project: Path
    python: Path
    state: Path
    env: dict[str, str]

    def run(self, *command: object, env: dict[str, str] | None = None) -> str:
        """Run a command and return its output. Raises ValueError with the output if it fails."""
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
    """Copy the project to `data` with the four files of `sides/domain`, train and promote.

    Replaces an existing folder.
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
    for verb in ("train", "promote --reason bench", "fetch-model", "migrate"):
        made.run(python, "-m", "baked", *verb.split())
    return made
