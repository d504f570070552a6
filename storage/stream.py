"""What storage has to know about a stream."""

from storage import npy, wavfmt

# Why frames are missing; the journal stores the index.
CAUSES = ("fifo", "ring", "flash", "bus", "sleep", "power", "retention")


class StreamInfo:
    """One stream of int16 frames; `channels`, `units` and `scale` hold one entry per channel, `ext` is npy or wav."""

    def __init__(self, name, ext, channels, units, scale, rate_hz, segment_frames):
        if ext not in ("npy", "wav"):
            raise ValueError("stream %s: ext is %r, npy or wav would be right" % (name, ext))
        self.name = name
        self.ext = ext
        self.channels = list(channels)
        self.units = list(units)
        self.scale = list(scale)
        self.rate_hz = rate_hz
        self.segment_frames = segment_frames
        self.frame_bytes = 2 * len(self.channels)

    def as_dict(self):
        """-> this stream's entry of session.json."""
        return {
            "ext": self.ext,
            "channels": self.channels,
            "units": self.units,
            "scale": self.scale,
            "rate_hz": self.rate_hz,
            "segment_frames": self.segment_frames,
        }

    def header(self, frames):
        """-> everything in front of the data of a file of `frames` frames."""
        if self.ext == "npy":
            return npy.header(frames, len(self.channels))
        return wavfmt.header(frames, len(self.channels), self.rate_hz)

    def segment_bytes(self):
        """-> length of a full segment's file."""
        return len(self.header(self.segment_frames)) + self.segment_frames * self.frame_bytes


def from_dict(name, entry):
    """-> StreamInfo from an entry of session.json; KeyError, TypeError or ValueError when that is damaged."""
    return StreamInfo(
        name,
        entry["ext"],
        entry["channels"],
        entry["units"],
        entry["scale"],
        float(entry["rate_hz"]),
        int(entry["segment_frames"]),
    )


def from_sidecar(sidecar):
    """-> StreamInfo from a finished segment's sidecar, which knows all but the length of a full segment."""
    entry = dict(sidecar)
    entry["ext"] = sidecar["file"][-3:]
    entry["segment_frames"] = sidecar["frames"]
    return from_dict(sidecar["stream"], entry)


def from_file(name, path):
    """-> StreamInfo as far as a data file's own header tells (session.json is damaged): units and scale are None."""
    with open(path, "rb") as file:
        if path.endswith(".npy"):
            descr, fortran_order, shape, _ = npy.read_header(file)
            if descr != "<i2" or fortran_order or len(shape) != 2 or not shape[1]:
                raise ValueError("%s: not an int16 array of shape (frames, channels)" % path)
            frames, channels, rate_hz = shape[0], shape[1], None
        else:
            frames, channels, rate_hz, bits, _ = wavfmt.read_header(file)
            if bits != 16:
                raise ValueError("%s: %d bits, not 16" % (path, bits))
    names = ["channel%d" % i for i in range(channels)]
    unknown = [None] * channels
    return StreamInfo(name, path[-3:], names, unknown, unknown, rate_hz, frames)
