"""What an upgrade of a project of the first version writes, deletes and leaves to a person."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from four_files import FILES, old_package, upgrade_code
from yaml_values import with_values

LINK, VALUES, PROJECT_SETTINGS = ".cruft.json", "deploy/values/values.yaml", "pyproject.toml"
WIDTH = 100


class UpgradeError(Exception):
    """A project that cannot be upgraded; nothing was changed."""


@dataclass
class Plan:
    """Contents of the files to write, files to delete, and what is left to a person."""

    write: dict[str, bytes] = field(default_factory=dict)
    delete: set[str] = field(default_factory=set)
    not_upgraded: list[str] = field(default_factory=list)
    yours: list[str] = field(default_factory=list)


def make_plan(project: Path, before: Path, after: Path) -> Plan:
    """Return the changes that make a thin project of this one.

    `before` is the project as the first version baked it, `after` as this template bakes it.
    Raises UpgradeError if a file of the project's own has the name of a new one.
    """
    package = old_package(before)
    plan = Plan({name: (after / name).read_bytes() for name in _files(after)})
    domain, taken = f"src/{package}/domain/", []
    for name in _tracked(project):
        mine = (project / name).read_bytes()
        folder, _, file = name.rpartition("/")
        if not (before / name).is_file():
            # a file of the project's own
            moved = _moved(name, domain)
            if moved in plan.write or _is_another(project, before, moved, name):
                taken.append(name)
                continue
            code = _upgraded(moved, mine, package)
            if code != mine or moved != name:
                plan.write[moved] = code
                plan.delete |= {name} - {moved}
            plan.yours.append(moved)
        elif mine == (before / name).read_bytes():
            plan.delete |= {name} - plan.write.keys()
        elif f"{folder}/" == domain and file in FILES:
            plan.write[f"src/{package}/{file}"] = _upgraded(name, mine, package)
            plan.yours.append(f"src/{package}/{file}")
            plan.delete.add(name)
        elif folder == "governance" and name.endswith(".yaml") and name in plan.write:
            text = mine.decode().replace("src/*/domain", f"src/{package}")
            plan.write[name] = text.replace("src/*/contract", f"src/{package}/contract.py").encode()
            plan.yours.append(name)
        elif name == VALUES:
            old, new = (before / name).read_text(), plan.write[name].decode()
            plan.write[name] = with_values(new, old, mine.decode()).encode()
            plan.yours.append(name)
        elif name != LINK:
            plan.not_upgraded.append(name)
            plan.delete |= {name} - plan.write.keys()
    if taken:
        raise UpgradeError(
            f"these files have the names of new ones: {', '.join(taken)}. Rename them, commit, and "
            "repeat"
        )
    if any(name.startswith("tests/test_example") for name in plan.write) and not _is_example(plan):
        # the tests of the example cannot pass with another contract
        del plan.write["tests/test_example.py"]
    _allow_long_lines(plan)
    return plan


def _is_example(plan: Plan) -> bool:
    return not any(Path(name).name in FILES for name in plan.yours)


def _is_another(project: Path, before: Path, moved: str, name: str) -> bool:
    """Return whether the project has a file of its own where this one would move."""
    return moved != name and (project / moved).is_file() and not (before / moved).is_file()


def _moved(name: str, domain: str) -> str:
    return name.replace(domain, domain.removesuffix("domain/"), 1)


def _upgraded(name: str, content: bytes, package: str) -> bytes:
    if not name.endswith(".py"):
        return content
    code = content.decode(errors="surrogateescape")
    return upgrade_code(code, package).encode(errors="surrogateescape")


def _allow_long_lines(plan: Plan) -> None:
    """Let the linter accept the project's files as wide as the first version allowed them."""
    wide = [
        name
        for name in plan.yours
        if name.endswith(".py")
        and any(len(line) > WIDTH for line in plan.write.get(name, b"").splitlines())
    ]
    table = "[tool.ruff.lint.per-file-ignores]\n"
    rules = "".join(f'"{name}" = ["E501"]\n' for name in sorted(wide))
    text = plan.write[PROJECT_SETTINGS].decode()
    plan.write[PROJECT_SETTINGS] = text.replace(table, table + rules, 1).encode()


def _tracked(project: Path) -> list[str]:
    # A submodule is a folder, and stays as it is.
    names = git(project, "ls-files", "-z").split("\0")[:-1]
    return [name for name in names if (project / name).is_file()]


def _files(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and ".git" not in path.relative_to(folder).parts:
            yield path.relative_to(folder).as_posix()


def git(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(project), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UpgradeError(f"{project} is not a git repository: {done.stderr.strip()}")
    return done.stdout
