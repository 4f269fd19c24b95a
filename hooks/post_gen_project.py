"""Remove what was not chosen, add the wheel and its files, link to the template, commit, say what
comes next.
"""

import json
import os
import runpy
import subprocess
import sys

UNCHOSEN = {  # answer -> files and folders that go
    ("ci_provider", "github"): [".gitlab-ci.yml"],
    ("ci_provider", "gitlab"): [".github"],
    ("ci_provider", "none"): [".github", ".gitlab-ci.yml"],
}
MACHINE = (
    "_repo_dir",
    "_output_dir",
    "_checkout",
)  # facts of this machine and this call, not answers
REDIRECTS = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
)
FIRST_COMMIT = {  # the caller's hooks, signing and ignore rules meet the second commit
    "init.defaultBranch": "main",
    "user.useConfigOnly": "true",  # no identity guessed from the host's name
    "commit.gpgSign": "false",
    "core.hooksPath": os.devnull,
    "core.excludesFile": os.devnull,
    "core.fsmonitor": "false",
    "core.bigFileThreshold": "1",  # one pack instead of a loose object for each file,
    "core.compression": "0",  # and quickly: together a third of the time
    "maintenance.auto": "false",
}


def git(*arguments):
    """Run git and return what it printed; raises CalledProcessError, OSError, or TimeoutExpired
    after a minute.
    """
    done = subprocess.run(
        ["git", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=60
    )
    return done.stdout.decode(errors="replace")


def why(failure):
    """The last line of a failed git, where it says the cause."""
    if isinstance(failure, FileNotFoundError):
        return "git is not on the PATH"
    parts = getattr(failure, "stderr", None) or str(failure).encode()
    return parts.decode(errors="replace").strip().rpartition("\n")[2]


def public(url):
    """The URL without a password or token: .cruft.json is committed."""
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return (
        scheme + mark + host.rpartition("@")[2] + slash + path
        if scheme in ("http", "https")
        else url
    )


def remove_unchosen(answers):
    for (question, answer), paths in UNCHOSEN.items():
        if answers[question] == answer:
            for path in paths:
                if os.path.isfile(path):
                    os.remove(path)
                else:
                    import shutil  # 5 ms that only these answers pay

                    shutil.rmtree(path, ignore_errors=True)


def vendor(template):
    """Build the wheel of the library into vendor/, and write requirements/mlprod.txt, which names
    it.
    """
    from pathlib import Path  # which imports what no other step needs

    library = runpy.run_path(os.path.join(template, "mlprod", "build_wheel.py"))
    library["build"](Path(template), Path())


def copy_assets(template):
    """Copy the files that must match the library's version, as `make generate` writes them later
    from the wheel.
    """
    source = os.path.join(template, "mlprod", "src", "mlprod", "assets", "project")
    for folder, _, names in os.walk(source):
        target = os.path.relpath(folder, source)
        os.makedirs(target, exist_ok=True)
        for name in names:
            with (
                open(os.path.join(folder, name), "rb") as asset,
                open(os.path.join(target, name), "wb") as copy,
            ):
                copy.write(asset.read().replace(b"\r\n", b"\n"))  # of a checkout on Windows


def link(answers, template):
    """Write .cruft.json, so that `cruft update` works although plain cookiecutter made the project."""
    if not os.path.exists(os.path.join(template, ".git")):
        return f"No link to the template: {template} is no git repository, so cruft cannot update the project."
    try:
        head, *changes = git("-C", template, "status", "--porcelain=v2", "--branch").splitlines()
        local = answers["_template"] == answers["_repo_dir"]  # then Cookiecutter ignores --checkout
        source = (
            template
            if local
            else public(git("-C", template, "remote", "get-url", "origin").strip())
        )
    except (OSError, subprocess.SubprocessError) as failure:
        return f"No link to the template: {why(failure)}."
    commit = head.removeprefix("# branch.oid ")
    if commit == "(initial)":
        return f"No link to the template: {template} has no commit yet, so cruft cannot update the project."
    context = {name: answer for name, answer in answers.items() if name not in MACHINE}
    state = {
        "template": source,
        "commit": commit,
        "checkout": None if local else answers.get("_checkout"),
        "context": {"cookiecutter": {**context, "_template": source, "_commit": commit}},
        "directory": None,
    }
    with open(".cruft.json", "w", encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(state, ensure_ascii=False, indent=2) + "\n")
    if any(not line.startswith("# ") for line in changes):
        return "The template has changes that are not committed; .cruft.json names its last commit."
    return None


def ignored(folder):
    """Whether the repository around the folder ignores it, as a repository of a home does: then it
    is no part of it.
    """
    try:
        git("-C", folder, "check-ignore", "-q", folder)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def commit():
    """Make a repository with a first commit, or leave none and return the reason."""
    project = above = os.getcwd()
    while not os.path.exists(os.path.join(above, ".git")) and above != os.path.dirname(above):
        above = os.path.dirname(above)
    if os.path.exists(os.path.join(above, ".git")) and not ignored(project):
        return (
            f"No git repository made: the folder lies in the repository {above}. Workflows, CODEOWNERS and the like "
            "are read only at the root of the repository: docs/setup.md has what to copy there."
        )
    settings = [part for name, value in FIRST_COMMIT.items() for part in ("-c", f"{name}={value}")]
    try:
        git(*settings, "init", "-q")
        git(*settings, "add", "-A")
        git(*settings, "commit", "-q", "--no-status", "-m", "First commit")
    except (OSError, subprocess.SubprocessError) as failure:
        import shutil

        shutil.rmtree(os.path.join(project, ".git"), ignore_errors=True)
        return f"No git repository made: {why(failure)}. Later: git init && git add -A && git commit -m 'First commit'"
    return None


def main(answers, template):
    sys.stdout.reconfigure(
        errors="replace"
    )  # a terminal that cannot show a name must not cost the project
    for name in REDIRECTS:  # set while a git hook runs: they point at another repository
        os.environ.pop(name, None)
    remove_unchosen(answers)
    vendor(template)
    copy_assets(template)
    if (
        "_commit" in answers
    ):  # cruft writes .cruft.json itself, and compares bakes that hold no repository
        return
    for note in (link(answers, template), commit()):
        if note:
            print(note)
    print(f'cd "{os.getcwd()}"')
    print("make demo    # from data to a served prediction")
    print("README.md    # the first ten minutes")


if __name__ == "__main__":
    main({{dict(cookiecutter) | pprint}}, {{template_folder | pprint}})
