"""A baked project in which proofs run commands."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Place:
    """A baked project with a champion, and the seed of the sample; "" runs proofs in full."""

    project: Path
    seed: str = ""

    def run(self, *command: object, cwd: Path | None = None, **environment: object) -> str:
        """Run a command, show its output and return it.

        Raises CalledProcessError if the command fails.
        """
        inherited = {
            name: value for name, value in os.environ.items() if name not in ("SAMPLE", "VENV")
        }
        # This folder has uv.
        inherited["PATH"] = os.pathsep.join([str(CHECKOUT / ".venv" / "bin"), inherited["PATH"]])
        sample = {"SAMPLE": self.seed} if self.seed else {}
        env = inherited | sample | {name: str(value) for name, value in environment.items()}
        parts, lines = [*map(str, command)], []
        print("$", *parts, flush=True)
        with subprocess.Popen(
            parts,
            cwd=cwd or self.project,
            env=env,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as child:
            for line in child.stdout or ():
                print(line, end="", flush=True)
                lines.append(line)
        if child.returncode:
            raise subprocess.CalledProcessError(child.returncode, parts)
        return "".join(lines)

    def python(self, *command: object, **environment: object) -> str:
        """Run the project's Python, with the pytest plugin that selects a sample of tests."""
        path = os.pathsep.join([str(self.project / "src"), str(CHECKOUT / "tests")])
        return self.run(
            self.project / ".venv" / "bin" / "python", *command, PYTHONPATH=path, **environment
        )


def baked(folder: Path, seed: str) -> Place:
    """Bake a project with default answers, create its environment and promote a model."""
    bake = (
        "-m",
        "cookiecutter",
        "--no-input",
        "--default-config",
        "-o",
        str(folder),
        str(CHECKOUT),
    )
    subprocess.run([sys.executable, *bake], check=True, stdout=subprocess.DEVNULL)
    place = Place(folder / "fraud-scoring", seed)
    place.run("make", "train", f"PYTHON={sys.executable}")
    place.run("make", "promote", "REASON=a champion for the proofs")
    return place
