"""`python -m tests.provide NAME…`: install what the tests need of Debian's packages, where it is missing.

Nothing is skipped for a missing tool: it is installed, or `make test` fails with a sentence.
"""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def postgresql() -> str | None:
    """The folder of initdb and postgres; Debian keeps them off the PATH."""
    found = shutil.which("initdb")
    folders = [os.path.dirname(found)] if found else sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    return next((folder for folder in folders if os.path.exists(os.path.join(folder, "postgres"))), None)


def prometheus() -> str | None:
    return shutil.which("prometheus")


def alertmanager() -> str | None:
    return shutil.which("prometheus-alertmanager")


TOOLS = {
    "chromium": chromium,
    "postgresql": postgresql,
    "prometheus": prometheus,
    "prometheus-alertmanager": alertmanager,
}


def provide(name: str) -> None:
    if TOOLS[name]():
        return
    print(f"make: {name} is missing; installing Debian's package", flush=True)
    as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    # No service is wanted, only the program: Debian would start one at once.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", name]):
        try:
            subprocess.run([*as_root, *command], check=True, env=environment, stdout=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"make: the tests need {name}, and '{' '.join([*as_root, *command])}' failed: {error}")
    if not TOOLS[name]():
        sys.exit(f"make: {name} was installed but cannot be found")


if __name__ == "__main__":
    for tool in sys.argv[1:]:
        provide(tool)
