"""Small questions that the tests of reading ask of a video."""

import numpy as np
import pytest

from nta.errors import RejectedError
from nta.video import open_video

N, HEIGHT, WIDTH = 12, 30, 46


def same(read, written):
    read = list(read)
    return len(read) == len(written) and all(
        np.array_equal(a, b) and a.dtype.isnative and a.flags.c_contiguous for a, b in zip(read, written, strict=True)
    )


def codes(video):
    return {fault.code for fault in video.faults}


def rejected(path, **options):
    """Return the error that opening or reading to the end raises."""
    with pytest.raises(RejectedError) as caught:
        for _ in open_video(path, **options).frames():
            pass
    assert "\n" not in str(caught.value)
    return caught.value
