"""On MicroPython: writes and acknowledges `n` segments of `frames` frames on a fresh LittleFS, and prints
[bytes programmed, blocks erased] per segment. Arguments: frames, n.
"""

import os
import sys

from host.virtual.port.flash import Flash
from storage.segment import SegmentWriter, StreamInfo
from storage.spool import Spool

CHANNELS = ("ax", "ay", "az", "gx", "gy", "gz")
BLOCK_FRAMES = 32
frames, n = int(sys.argv[1]), int(sys.argv[2])

flash = Flash(None, 1024, 4096)
os.VfsLfs2.mkfs(flash)
os.mount(os.VfsLfs2(flash), "/wear")
info = StreamInfo("imu", "npy", CHANNELS, ("g",) * 6, (0.1,) * 6, 100.0, frames)
spool = Spool("/wear/data", "dev")
spool.recover()
spool.begin({"streams": {"imu": info.as_dict()}})
writer = SegmentWriter(spool, info)
view = memoryview(bytes(BLOCK_FRAMES * info.frame_bytes))
programmed, erases = flash.programmed_bytes, flash.erases
for i in range(n):
    writer.open(i * frames)
    done = 0
    while done < frames:
        done += writer.write(view, 0, min(BLOCK_FRAMES, frames - done))
        writer.anchor(writer.position - 1, done * 1000, 0)
    writer.close("full")
    spool.acknowledge(spool.pending(1)[0])
print([(flash.programmed_bytes - programmed) / n, (flash.erases - erases) / n])
