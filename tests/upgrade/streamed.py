"""Of the recorded loads of a view, as JSON on stdin: how many rows its streams brought into the log."""

import json
import sys

loads = [load["outcome"] for load in json.load(sys.stdin) if load["job"] == "stream"]
print(sum(outcome["stream"]["rows"]["loaded"] for outcome in loads if outcome and "stream" in outcome))
