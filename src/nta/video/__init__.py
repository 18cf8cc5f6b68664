"""The only door to pixels: open a video lazily, whatever its container, and write one without loss."""

from nta.video.model import Fault, Frame, Video
from nta.video.opening import frames_declared, open_video
from nta.video.repeats import RepeatFilter, is_noisy
from nta.video.write import write_video

__all__ = ["Fault", "Frame", "RepeatFilter", "Video", "frames_declared", "is_noisy", "open_video", "write_video"]
