"""Writes `portico` beside the interpreter that runs this, so that the command is there wherever the packages are.

The project is none that is installed: it is run where it lies. So the command knows where that is.
"""

import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
# -P and the path first: nothing of the folder that somebody happens to be in is imported.
TEXT = """#!{python} -P
import sys

sys.path.insert(0, {project!r})

from cli.main import run

run()
"""


def write(folder: Path) -> Path:
    # Not resolved: the interpreter of a virtual environment is a link out of it.
    found = folder / "portico"
    found.write_text(TEXT.format(python=folder / Path(sys.executable).name, project=str(PROJECT)))
    found.chmod(0o755)
    return found


if __name__ == "__main__":
    write(Path(sys.executable).parent)
