"""A process that records until it is killed; says on its standard output which frames it has handed over."""

import sys
import time
from dataclasses import replace
from pathlib import Path

from guidance_app.live.recording.recorder import Recorder
from tests.guidance_app.live.recordings import frame_at


def main() -> None:
    recorder = Recorder(Path(sys.argv[1]), {"case": "killed"})
    recorder.begin(lambda text: print(f"told {text}", flush=True))
    made = [frame_at(index) for index in range(16)]
    begun_s, index = time.monotonic(), 0
    while True:
        recorder.frame(replace(made[index % 16], index=index, received_ns=time.monotonic_ns()))
        print(index, flush=True)
        index += 1
        time.sleep(max(0.0, begun_s + index / 100 - time.monotonic()))


if __name__ == "__main__":
    main()
