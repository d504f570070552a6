"""What storage has to know about a stream."""

from storage.headers import npy_header, wav_header

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
            return npy_header(frames, len(self.channels))
        return wav_header(frames, len(self.channels), self.rate_hz)

    def segment_bytes(self):
        """-> length of a full segment's file."""
        return len(self.header(self.segment_frames)) + self.segment_frames * self.frame_bytes
