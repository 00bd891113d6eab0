"""Where things are: the checkout, and the folder for all that is built."""

import os
import pathlib

IMAGE = pathlib.Path(__file__).resolve().parent.parent
ROOT = IMAGE.parent
# A relative one is meant from where the caller stands, as cargo means it.
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()
WORK = TARGET / "pi-image"
# Downloads by their checksum: they outlive a `git clean` of nothing but the work folder's results.
CACHE = WORK / "cache"
