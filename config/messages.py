"""What an upload over MQTT asks of a configuration: an address, and segments that fit into one message each."""

from config.urls import mqtt_url_errors

# Per message, besides the samples: the header of the data file (128 bytes), the sidecar with all 64 gaps and 32 anchors
# that it can have (7 KB) and the manifest with the topic (1 KB).
OVERHEAD_BYTES = 9216


def mqtt_errors(mqtt, streams, frame_bytes):
    """Yields what is wrong with `upload.mqtt`; `frame_bytes(stream)` -> bytes per frame, or None."""
    if "url" in mqtt:
        yield from mqtt_url_errors(mqtt, "upload.mqtt")
    if "topic" in mqtt and ("//" in mqtt["topic"] or mqtt["topic"].endswith("/")):
        yield ("upload.mqtt.topic", "has an empty part", "parts separated by one slash each")
    if "max_message_kb" not in mqtt:
        return
    room = mqtt["max_message_kb"] * 1024 - OVERHEAD_BYTES
    for name in sorted(streams):
        stream = streams[name] or {}
        if "driver" not in stream or "segment_frames" not in stream or "block_frames" not in stream:
            continue
        size = frame_bytes(stream)
        if size and stream["segment_frames"] * size > room:
            most = room // size // stream["block_frames"] * stream["block_frames"]
            kb = -(-(stream["segment_frames"] * size + OVERHEAD_BYTES) // 1024)
            yield (
                "streams.{}.segment_frames".format(name),
                "a segment with its sidecar takes up to {} KB, upload.mqtt.max_message_kb is {}".format(
                    kb, mqtt["max_message_kb"]
                ),
                "at most {}, or max_message_kb of {} if the broker takes that".format(most, kb)
                if most >= 16
                else "max_message_kb of {} if the broker takes that".format(kb),
            )
