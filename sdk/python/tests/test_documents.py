"""What the README says runs as it stands."""

import pathlib
import re
import subprocess
import sys

README = pathlib.Path(__file__).parent.parent / "README.md"


def test_the_tour_runs(tmp_path, command):
    command(tmp_path, "init", tmp_path / "flights")
    blocks = re.findall(r"^```python\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    program = "\n".join([*blocks, "assert len(training) > 100 and ts.summary(training).length == len(training)", "print(read)"])
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "dest_last_delay" in done.stdout
