"""The PDM filter's sound, from bits of a synthetic sigma-delta modulator: level, distortion, pass band, aliases.

The filter runs in plain Python here; mp_pdm.py shows that the native code gives the same bits.
"""

import functools

import numpy as np
import pytest

from drivers.pdm_filter import CHUNK, FRAME_BYTES, HISTORY, MEMORY, PdmFilter, cic_table

RATE = 16000
BITS_PER_FRAME = 64
FRAMES = 4000  # 0.25 s: tones at multiples of 4 Hz are whole


def sigma_delta(signal):
    """-> the bits (0, 1) of a second-order modulator for a signal within +-1 (Boser and Wooley)."""
    bits = np.empty(len(signal), np.uint8)
    first = second = 0.0
    for i, x in enumerate(signal):
        y = 1.0 if second >= 0 else -1.0
        bits[i] = y > 0
        second += 0.5 * first - 0.5 * y
        first += 0.5 * x - 0.5 * y
    return bits


def decimate(bits, gain_bits=0, sizes=(CHUNK,)):
    """-> int16 of all whole frames, run through the filter in chunks of ``sizes`` frames in turn."""
    packed = np.packbits(bits, bitorder="little").tobytes()
    pdm = PdmFilter(gain_bits)
    out = bytearray(2 * (len(packed) // FRAME_BYTES))
    done = turn = 0
    while done < len(out) // 2:
        n = min(sizes[turn % len(sizes)], len(out) // 2 - done)
        pdm.bits[HISTORY : HISTORY + FRAME_BYTES * n] = packed[FRAME_BYTES * done : FRAME_BYTES * (done + n)]
        pdm.run(out, done, n)
        done += n
        turn += 1
    return np.frombuffer(out, "<i2"), pdm.clips[0]


@functools.cache
def tone(frequency, amplitude=0.5):
    """-> the samples of a tone, after the filter has settled; FRAMES of them."""
    n = (FRAMES + 2 * MEMORY) * BITS_PER_FRAME
    t = np.arange(n) / (RATE * BITS_PER_FRAME)
    samples, clips = decimate(sigma_delta(amplitude * np.sin(2 * np.pi * frequency * t)))
    assert not clips
    return samples[-FRAMES:].astype(float) / 32768


def level_db(samples, frequency, amplitude=0.5):
    """-> dB of the spectral line at ``frequency``, against the tone that went in."""
    line = np.abs(np.fft.rfft(samples))[round(frequency * FRAMES / RATE)] * 2 / FRAMES
    return 20 * np.log10(line / amplitude)


def test_a_tone_has_its_level_and_hardly_any_distortion():
    samples = tone(1000)
    assert abs(level_db(samples, 1000)) < 0.05
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(FRAMES)))
    at = 1000 * FRAMES // RATE

    def power(center):
        return (spectrum[center - 3 : center + 4] ** 2).sum()

    harmonics = sum(power(k * at) for k in range(2, 8))
    assert np.sqrt(harmonics / power(at)) < 0.001  # the promise is 0.01
    noise = (spectrum[4:] ** 2).sum() - power(at) - harmonics
    assert 10 * np.log10(power(at) / noise) > 65, "a second-order modulator at 64 times the rate gives about 75 dB"


@pytest.mark.parametrize("frequency", [100, 2000, 3200, 4800, 5600, 6400])
def test_the_pass_band_is_flat(frequency):
    assert abs(level_db(tone(frequency), frequency)) < 0.1  # the promise is 0.5


@pytest.mark.parametrize("frequency", [9600, 12000, 16000 - 1000, 16000 + 1000, 22400, 25600, 32000 + 6000, 57600])
def test_what_would_fold_back_is_down(frequency):
    folded = abs((frequency + RATE / 2) % RATE - RATE / 2)
    assert level_db(tone(frequency), folded) < -57


def test_gain_and_saturation():
    n = (200 + MEMORY) * BITS_PER_FRAME
    bits = sigma_delta(0.1 * np.ones(n))
    for gain_bits in range(4):
        samples, clips = decimate(bits, gain_bits)
        assert not clips and abs(samples[MEMORY:].mean() - 3276.8 * 2**gain_bits) < 2 * 2**gain_bits
    samples, clips = decimate(bits, 4)
    assert clips == (samples == 32767).sum() > 150
    samples, clips = decimate(sigma_delta(-0.1 * np.ones(n)), 4)
    assert clips > 150 and samples.min() == -32768
    for gain_bits in (-1, 7):
        with pytest.raises(ValueError, match="gain_bits"):
            PdmFilter(gain_bits)


def test_blocks_leave_no_seam():
    random = np.random.default_rng(1)
    bits = random.integers(0, 2, 300 * BITS_PER_FRAME, dtype=np.uint8)
    whole, _ = decimate(bits)
    for sizes in ((1,), (2, 1, 3), (5, 31, 32, 7)):
        assert (decimate(bits, sizes=sizes)[0] == whole).all()


def test_the_table_is_four_running_sums_of_sixteen():
    taps = np.ones(1)
    for _ in range(4):
        taps = np.convolve(taps, np.ones(16))
    taps = np.append(taps, [0] * 3)
    table = np.array(cic_table()).reshape(8, 256)
    for byte in (0, 1, 2, 0x80, 0xA5, 0xFF):
        bits = np.unpackbits(np.uint8([byte]), bitorder="little")
        assert (table[:, byte] == (taps.reshape(8, 8) * bits).sum(axis=1)).all()


def test_no_sum_reaches_30_bits():
    """The head of pdm_filter.py says so; here it is counted."""
    pdm = PdmFilter(0)
    half = np.abs(np.array(pdm._half)).sum()
    last = np.abs(np.array(pdm._last)).sum()
    assert sum(pdm._half) == sum(pdm._last) == 8192
    after_half = (32768 * half + 4096 >> 13) + 1
    assert after_half * last + 4096 < 2**30
    full, clips = decimate(np.ones(64 * 80, np.uint8))
    assert (full[MEMORY:] == 32767).all() and clips >= 80 - MEMORY
    assert (decimate(np.zeros(64 * 80, np.uint8))[0][MEMORY:] == -32768).all()


def test_memory_is_long_enough():
    """After MEMORY frames nothing of the past is left: other bits before give the same samples after."""
    random = np.random.default_rng(2)
    after = random.integers(0, 2, 100 * BITS_PER_FRAME, dtype=np.uint8)
    ends = []
    for before in (np.zeros(6400, np.uint8), np.ones(6400, np.uint8)):
        samples, _ = decimate(np.concatenate([before, after]))
        ends.append(samples[100 + MEMORY :])
    assert (ends[0] == ends[1]).all()
    pdm = PdmFilter(0)
    span = 61 + 16 * (len(pdm._half) - 1) + 32 * (len(pdm._last) - 1)  # bits that one sample sees
    assert MEMORY == -(-span // BITS_PER_FRAME)
