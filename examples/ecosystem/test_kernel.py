"""A kernel of Jupyter that is interrupted in the middle of a call."""

import os
import subprocess
import time

from jupyter_client.manager import start_new_kernel

WORK = """
import numpy as np, pandas as pd
import twinstore as ts
store = ts.Store({folder!r})
rows = 2_000_000
at = pd.Series(pd.to_datetime(1370000000 + np.arange(rows) % 600_000, unit="s", utc=True))
spine = pd.DataFrame({{"dest": np.where(np.arange(rows) % 2, "LAX", "BOS"), "tailnum": "N328AA", "distance": 100, "at": at}})
print("ready", flush=True)
while True:
    store.training_set("late_arrival", spine, time="at", progress=False)
"""

AFTER = """
entity = {"dest": "LAX", "tailnum": "N328AA", "distance": 1}
assert store.features("late_arrival", entity, at="2013-06-08T01:00:00Z")["dest_last_delay"] == -39
"""


def messages(client, until, seconds=120):
    """What a kernel says until a condition holds."""
    deadline = time.monotonic() + seconds
    while True:
        message = client.get_iopub_msg(timeout=max(deadline - time.monotonic(), 0.001))
        if until(message):
            return message


def test_an_interrupted_kernel_raises_at_once_and_goes_on(tmp_path):
    folder = str(tmp_path / "flights")
    for arguments in (["init", folder], ["--project", folder, "apply"], ["--project", folder, "backfill", "--all"]):
        subprocess.run([os.environ["TWINSTORE_BIN"], *arguments], check=True, capture_output=True)
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        # What comes after the interruption is run, too.
        client.execute(WORK.format(folder=folder), stop_on_error=False)
        messages(client, lambda said: said["msg_type"] == "stream" and "ready" in said["content"]["text"])
        # It is in the middle of one of the calls, which take longer than this each.
        time.sleep(1.0)
        began = time.monotonic()
        manager.interrupt_kernel()
        raised = messages(client, lambda said: said["msg_type"] == "error")
        took = time.monotonic() - began
        assert raised["content"]["ename"] == "KeyboardInterrupt"
        assert took < 0.5 + 0.5 * os.getloadavg()[0] / (os.cpu_count() or 1), took
        reply = client.execute_interactive(AFTER, timeout=60)
        assert reply["content"]["status"] == "ok", reply["content"]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
