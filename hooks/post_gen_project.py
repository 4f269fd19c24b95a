"""Complete a new project.

Remove the files of choices that were not selected, add the library's wheel and its files, link the
project to the template, commit, and print the next steps.
"""

import json
import os
import runpy
import subprocess
import sys

# Answer -> files and folders that this answer excludes.
UNCHOSEN = {
    ("ci_provider", "github"): [".gitlab-ci.yml"],
    ("ci_provider", "gitlab"): [".github"],
    ("ci_provider", "none"): [".github", ".gitlab-ci.yml"],
}
# Variables of this machine and this call; they are not answers.
LOCAL_VARIABLES = ("_repo_dir", "_output_dir", "_checkout")
# Variables that point git at another repository; git sets them while one of its hooks runs.
REDIRECTS = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
)
# The user's own hooks, signing and ignore rules apply from the second commit on.
FIRST_COMMIT = {
    "init.defaultBranch": "main",
    # Git must not derive an identity from the name of the host.
    "user.useConfigOnly": "true",
    "commit.gpgSign": "false",
    "core.hooksPath": os.devnull,
    "core.excludesFile": os.devnull,
    "core.fsmonitor": "false",
    # One uncompressed pack instead of a loose object for each file takes a third of the time.
    "core.bigFileThreshold": "1",
    "core.compression": "0",
    "maintenance.auto": "false",
}


def git(*arguments):
    """Run git and return its output.

    Raises CalledProcessError if git fails, OSError if it is missing, and TimeoutExpired after a
    minute.
    """
    done = subprocess.run(
        ["git", *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=60
    )
    return done.stdout.decode(errors="replace")


def git_error(failure):
    """Return the reason why git failed: the last line of its error output."""
    if isinstance(failure, FileNotFoundError):
        return "git is not on the PATH"
    parts = getattr(failure, "stderr", None) or str(failure).encode()
    return parts.decode(errors="replace").strip().rpartition("\n")[2]


def without_credentials(url):
    """Return the URL without a password or token, because .cruft.json is committed."""
    scheme, mark, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return (
        scheme + mark + host.rpartition("@")[2] + slash + path
        if scheme in ("http", "https")
        else url
    )


def remove_unchosen(answers):
    """Remove the files that the answers exclude."""
    for (question, answer), paths in UNCHOSEN.items():
        if answers[question] == answer:
            for path in paths:
                if os.path.isfile(path):
                    os.remove(path)
                else:
                    # Imported here because it takes 5 ms, which most bakes do not need.
                    import shutil

                    shutil.rmtree(path, ignore_errors=True)


def build_library(template):
    """Build the library's wheel into vendor/, and pin it in requirements/mlprod.txt."""
    # Imported here because no other step needs it.
    from pathlib import Path

    library = runpy.run_path(os.path.join(template, "mlprod", "build_wheel.py"))
    library["build"](Path(template), Path())


def copy_assets(template):
    """Copy the files that must match the library's version.

    Later, `make generate` writes the same files from the wheel.
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
                # A checkout on Windows may have CRLF line ends.
                copy.write(asset.read().replace(b"\r\n", b"\n"))


def link(answers, template):
    """Write .cruft.json, so that `cruft update` also works after a plain cookiecutter.

    Returns a note if the link is missing or incomplete, else None.
    """
    if not os.path.exists(os.path.join(template, ".git")):
        return no_link(f"{template} is not a git repository")
    try:
        head, *changes = git("-C", template, "status", "--porcelain=v2", "--branch").splitlines()
        # Cookiecutter ignores --checkout for a local template.
        local = answers["_template"] == answers["_repo_dir"]
        source = (
            template
            if local
            else without_credentials(git("-C", template, "remote", "get-url", "origin").strip())
        )
    except (OSError, subprocess.SubprocessError) as failure:
        return no_link(git_error(failure))
    commit = head.removeprefix("# branch.oid ")
    if commit == "(initial)":
        return no_link(f"{template} has no commit yet")
    context = {name: answer for name, answer in answers.items() if name not in LOCAL_VARIABLES}
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
        return "The template has uncommitted changes; .cruft.json names its last commit."
    return None


def no_link(reason):
    """Return the note that the project has no link to the template."""
    return (
        f"No link to the template: {reason}. cruft cannot update this project. "
        "Works: bake from a clone of the template."
    )


def ignored(folder):
    """Return whether the repository around the folder ignores it, as one of a home folder may."""
    try:
        git("-C", folder, "check-ignore", "-q", folder)
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def commit():
    """Create a repository with a first commit.

    Returns None, or a note with the reason if the project has no repository.
    """
    project = above = os.getcwd()
    while not os.path.exists(os.path.join(above, ".git")) and above != os.path.dirname(above):
        above = os.path.dirname(above)
    if os.path.exists(os.path.join(above, ".git")) and not ignored(project):
        return (
            f"No git repository created: the folder is inside the repository {above}. "
            "A git host reads workflows and CODEOWNERS only at the root of the repository. "
            "Works: copy them there, see docs/setup.md."
        )
    settings = [part for name, value in FIRST_COMMIT.items() for part in ("-c", f"{name}={value}")]
    try:
        git(*settings, "init", "-q")
        git(*settings, "add", "-A")
        git(*settings, "commit", "-q", "--no-status", "-m", "First commit")
    except (OSError, subprocess.SubprocessError) as failure:
        import shutil

        shutil.rmtree(os.path.join(project, ".git"), ignore_errors=True)
        return (
            f"No git repository created: {git_error(failure)}. "
            "Works, once git runs here and knows your name (git config --global user.name "
            "'Your Name' && git config --global user.email you@example.org): "
            "git init && git add -A && git commit -m 'First commit'"
        )
    return None


def main(answers, template):
    """Run all steps and print the notes and the next commands."""
    # A terminal that cannot show a character of a name must not stop the bake.
    sys.stdout.reconfigure(errors="replace")
    for name in REDIRECTS:
        os.environ.pop(name, None)
    remove_unchosen(answers)
    build_library(template)
    copy_assets(template)
    # cruft writes .cruft.json itself, and it compares bakes without a repository.
    if "_commit" in answers:
        return
    for note in (link(answers, template), commit()):
        if note:
            print(note)
    print(f'cd "{os.getcwd()}"')
    print("make demo    # from data to a served prediction")
    print("README.md    # the first ten minutes")


if __name__ == "__main__":
    main({{dict(cookiecutter) | pprint}}, {{template_folder | pprint}})
