"""What the words of ``untag``'s state mean (drivers/kernels_plain.py); apart, so that a driver needs no plain twin."""

# An array('i') of STATE_SIZE. A slot is the one or two words (gyro, accel) that the chip stored at one instant.
WANT = 0  # which words make a frame: 1 gyro, 2 accel, 3 both
GYRO_AT = 1  # offset of the gyro's bytes in a frame
HAVE = 2  # which words of the current slot came so far
COUNT = 3  # its slot counter
LAST = 4  # the slot counter of the last whole frame; NONE before the first
COUNTING = 5  # 1 once the slot counter was seen to count
ORPHANS = 6  # words dropped since the last whole frame, because the rest of their slot never came
MARKS = 7  # notes made by the last call
STATE_SIZE = 8
NONE = 4
