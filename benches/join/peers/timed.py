"""How a peer is run: `peer.py LOG_FOLDER SPINE OUT THREADS`, and its time as the last line of stdout.

The clock starts once the peer is imported. This favours the peers: twinstore is timed as a whole
process.
"""

import json
import sys
import time


def run(join):
    log, spine, out, threads = sys.argv[1:5]
    began = time.perf_counter()
    join(log, spine, out, int(threads))
    print(json.dumps({"seconds": time.perf_counter() - began}))
