"""A git host on loopback that signs tokens for jobs, as GitHub and GitLab do.

It is the git host of the library's own tests.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conftest import ROOT, BakedProject

SCRIPT = """if True:
    import sys, time
    from issuer import issuer
    with issuer() as host:
        print(host.url, host.token(exp=int(time.time()) + 3_600), flush=True)
        sys.stdin.read()
"""


@contextmanager
def git_host(python: Path, project: BakedProject) -> Iterator[str]:
    """Configure the project to trust the host; yields the token of a job on main.

    `python` is the interpreter of the project's environment.
    """
    with subprocess.Popen(
        [python, "-c", SCRIPT],
        cwd=ROOT / "mlprod" / "tests",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as host:
        assert host.stdin is not None
        assert host.stdout is not None
        url, token = host.stdout.readline().split()
        owners = project.path / "governance" / "ownership.yaml"
        # These values are in the tokens of the host.
        trusted = f"ci:\n  issuer: {url}\n  repository: org/parcels\n  branch: main\n"
        text, changed = re.subn(
            r"^ci:\n(?:  .*\n)+", trusted, owners.read_text(), flags=re.MULTILINE
        )
        assert changed == 1, "ownership.yaml has no block `ci`"
        owners.write_text(text)
        project.git("commit", "-qam", "Trust the git host of a test", "--no-verify")
        yield token
        host.stdin.close()
