"""Fails unless a wheel holds every file of src/ that git knows: modules, recipes, assets, the bundled models.

python .github/check_wheel.py dist/alphabar-0.1.0-py3-none-any.whl
"""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main(wheel: str) -> None:
    """Print the number of files, or exit with the names that differ."""
    listed = subprocess.run(["git", "ls-files", "-z", "src"], cwd=ROOT, capture_output=True, text=True, check=True)
    expected = {name.removeprefix("src/") for name in listed.stdout.split("\0") if name}
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    if missing := sorted(expected - packed):
        sys.exit(f"{wheel} lacks {', '.join(missing)}")
    if extra := sorted(packed - expected):
        sys.exit(f"{wheel} holds files that git does not know: {', '.join(extra)}")
    print(f"{wheel}: all {len(expected)} files")


if __name__ == "__main__":
    main(*sys.argv[1:])
