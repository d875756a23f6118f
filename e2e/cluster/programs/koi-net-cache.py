"""Prints {rid: contents} of a koi-net node's cache. Usage: koi-net-cache.py FOLDER"""

import json
import sys
from pathlib import Path

bundles = [json.loads(file.read_text()) for file in Path(sys.argv[1], ".rid_cache").glob("*.json")]
print(json.dumps({bundle["manifest"]["rid"]: bundle["contents"] for bundle in bundles}))
