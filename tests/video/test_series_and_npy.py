"""Folders of numbered images, and NumPy arrays."""

import hashlib
import io
from fractions import Fraction

import numpy as np
import pytest
import tifffile
from video_checks import HEIGHT, WIDTH, N, codes, rejected, same

from nta.errors import RejectedError, UsageError
from nta.video import open_video


def save(path, frame):
    """Write one image of the kind that the name says."""
    if path.suffix in (".tif", ".tiff"):
        tifffile.imwrite(path, frame, photometric="minisblack")
        return
    import av

    formats = {".png": ("png", "gray" if frame.dtype == np.uint8 else "gray16be"), ".bmp": ("bmp", "gray")}
    codec, pixels = formats.get(path.suffix, ("mjpeg", "yuvj420p"))
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt, context.time_base = *frame.shape[::-1], pixels, Fraction(1, 25)
    source = av.VideoFrame.from_ndarray(frame, "gray" if frame.dtype == np.uint8 else "gray16le")
    path.write_bytes(b"".join(bytes(p) for p in [*context.encode(source.reformat(format=pixels)), *context.encode()]))


@pytest.fixture
def folder(tmp_path, frames):
    def make(names, pictures=frames):
        place = tmp_path / "images"
        place.mkdir(exist_ok=True)
        for name, frame in zip(names, pictures, strict=False):
            save(place / name, frame)
        return place

    return make


def said(path):
    with pytest.raises(UsageError) as caught:
        open_video(path)
    return str(caught.value)


# --- folders ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".tif", ".png", ".bmp"])
def test_images_come_in_the_order_of_their_numbers(folder, frames, suffix):
    video = open_video(folder([f"run 2 t{n}{suffix}" for n in range(1, N + 1)]))
    assert (video.container, video.width, video.height, video.n_frames) == ("folder", WIDTH, HEIGHT, N)
    assert (video.fps, video.bit_depth, video.is_lossy, video.faults) == (None, 8, False, ())
    assert same(video.frames(), frames)  # 10 comes after 9
    assert [number for number, _ in video.numbered_frames()] == list(range(N))
    assert same(video.sample(3), [frames[k] for k in (2, 6, 10)])


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_images_of_16_bits(folder, suffix):
    deep = list(np.random.default_rng(1).integers(0, 65536, (4, HEIGHT, WIDTH), dtype=np.uint16))
    video = open_video(folder([f"{n:03d}{suffix}" for n in range(4)], deep))
    assert video.bit_depth == 16
    assert same(video.frames(), deep)


def test_jpeg_images_are_lossy(folder, frames):
    assert codes(open_video(folder([f"{n:03d}.jpg" for n in range(4)]))) == {"lossy_source"}


def test_gaps_in_the_numbers_are_said_and_kept(folder, frames):
    numbers = [0, 1, 2, 5, 6, 9]
    video = open_video(folder([f"a{n:04d}.png" for n in numbers]))
    assert codes(video) == {"dropped_frames"}
    assert "leave out 4 of 10" in video.faults[0].message
    assert [number for number, _ in video.numbered_frames()] == numbers
    assert same(video.frames(), frames[:6])


def test_numbers_in_tens_have_no_gaps(folder):
    video = open_video(folder([f"a{n}.png" for n in range(0, 100, 10)]))
    assert video.faults == ()
    assert [number for number, _ in video.numbered_frames()] == list(range(10))


def test_what_is_no_image_is_left_alone(folder, frames):
    place = folder([f"a{n}.png" for n in range(4)])
    for name in ("notes 7.txt", "._a1.png", ".DS_Store", "thumbs.db", "background.png"):
        (place / name).write_bytes(b"anything")
    assert same(open_video(place).frames(), frames[:4])


@pytest.mark.parametrize(
    ("names", "part"),
    [
        (["a1.png", "a2.png", "b1.png"], "2 series of images (a*.png, b*.png)"),
        (["a1.png", "a2.tif"], "2 series"),
        (["a1.png", "a01.png"], "two images with the number 1"),
    ],
)
def test_more_than_one_series_is_refused(folder, names, part):
    error = rejected(folder(names))
    assert error.code == "unsupported"
    assert part in str(error)


def test_images_that_differ_stacks_and_strangers_are_refused(folder, frames):
    place = folder([f"a{n}.tif" for n in range(4)])
    tifffile.imwrite(place / "a2.tif", frames[0][:20], photometric="minisblack")
    error = rejected(place)
    assert (error.code, "a2.tif" in str(error)) == ("unsupported", True)
    tifffile.imwrite(place / "a2.tif", np.stack(frames), photometric="minisblack")
    assert "a stack of 12 images" in str(rejected(place))
    (place / "a2.tif").write_bytes(b"text")
    assert rejected(place).code == "not_a_video"
    (place / "a2.tif").write_bytes(b"")
    assert rejected(place).code == "empty"
    assert [number for number, _ in open_video(place, allow_partial=True).numbered_frames()] == [0, 1, 3]


@pytest.mark.parametrize("suffix", [".tif", ".png", ".bmp"])
def test_a_cut_image_is_rejected(folder, suffix):
    place = folder([f"a{n}{suffix}" for n in range(4)])
    image = place / f"a2{suffix}"
    image.write_bytes(image.read_bytes()[:-700])
    assert rejected(place).code in ("damaged", "truncated", "unreadable")


def test_a_damaged_png_is_found_by_its_checksum(folder):
    place = folder([f"a{n}.png" for n in range(4)])
    data = bytearray((place / "a2.png").read_bytes())
    data[len(data) // 2] ^= 4
    (place / "a2.png").write_bytes(data)
    assert rejected(place).code == "damaged"


def test_a_folder_without_numbered_images_is_wrong_use(tmp_path):
    assert "is a folder without numbered images; give a video" in said(tmp_path)


def test_the_hash_of_a_folder_is_that_of_the_list_of_its_images(folder):
    place = folder([f"a{n}.png" for n in range(11)])
    names = [f"a{n}.png" for n in range(11)]
    lines = "".join(f"{hashlib.sha256((place / n).read_bytes()).hexdigest()}  {n}\n" for n in names)
    video = open_video(place)
    assert video.sha256() == hashlib.sha256(lines.encode()).hexdigest()
    (place / "a3.png").write_bytes((place / "a4.png").read_bytes())
    with pytest.raises(RejectedError) as caught:
        video.sha256()
    assert caught.value.code == "source_changed"


def test_a_folder_goes_to_another_process(folder, frames):
    import pickle

    video = open_video(folder([f"a{n}.png" for n in range(4)]))
    sent = pickle.loads(pickle.dumps(video))  # noqa: S301
    assert same(sent.frames(), frames[:4])
    assert sent.sha256() == video.sha256()


# --- arrays ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2"])
def test_arrays(tmp_path, dtype):
    stack = np.random.default_rng(2).integers(0, 255, (N, HEIGHT, WIDTH)).astype(dtype)
    np.save(tmp_path / "a.npy", stack)
    video = open_video(tmp_path / "a.npy")
    assert (video.container, video.width, video.height, video.n_frames) == ("npy", WIDTH, HEIGHT, N)
    assert video.bit_depth == 8 * stack.dtype.itemsize
    assert same(video.frames(), list(stack.astype(stack.dtype.newbyteorder("="))))
    assert same(video.frames(3, 5), list(stack[3:5].astype(stack.dtype.newbyteorder("="))))


class Bomb:
    def __reduce__(self):
        return print, ("executed",)


STACK = np.zeros((3, 8, 9), np.uint8)


@pytest.mark.parametrize(
    ("array", "code", "part"),
    [
        (np.array([Bomb()]), "unsupported", "Python objects"),
        (STACK[0], "unsupported", "(frames, height, width)"),
        (STACK[None], "unsupported", "(frames, height, width)"),
        (np.asfortranarray(np.ones((3, 8, 9), np.uint8)), "unsupported", "ascontiguousarray"),
        (STACK.astype("i2"), "unsupported", "uint16"),
        (STACK.astype("u4"), "unsupported", "uint16"),
        (STACK.astype(bool), "unsupported", "uint16"),
        (STACK.astype("f4"), "unsupported", "floating-point"),
        (np.full((3, 8, 9), np.nan), "non_finite", "NaN"),
        (np.full((3, 8, 9), -np.inf), "non_finite", "NaN"),
        (np.zeros((3, 0, 9), np.uint8), "unreadable", "0 pixels"),
        (np.zeros(3, [("a", "u1"), ("b", "f4")]), "unsupported", "(frames, height, width)"),
        (np.zeros(3, [("粒", "u1")]), "unsupported", "version 3.0"),
    ],
)
@pytest.mark.filterwarnings("ignore:Stored array in format 3.0")
def test_other_arrays_are_refused(tmp_path, capsys, array, code, part):
    np.save(tmp_path / "a.npy", array)
    error = rejected(tmp_path / "a.npy")
    assert error.code == code
    assert part in str(error)
    assert capsys.readouterr().out == ""


def test_a_cut_array_and_an_absurd_one(tmp_path, frames):
    path = tmp_path / "a.npy"
    np.save(path, np.stack(frames))
    path.write_bytes(path.read_bytes()[:-10])
    assert rejected(path).code == "truncated"
    partial = open_video(path, allow_partial=True)
    assert codes(partial) == {"partial"}
    assert same(partial.frames(), frames[:-1])
    np.save(path, np.stack(frames))
    with path.open("ab") as file:
        file.write(b"more")
    assert rejected(path).code == "unreadable"
    for shape, code in (
        ((3, 60_000, 60_000), "too_large"),
        ((10**12, 30, 46), "truncated"),
        ((-1, 3, 3), "unreadable"),
    ):
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
        path.write_bytes(header.getvalue() + bytes(5000))
        assert rejected(path).code == code


@pytest.mark.parametrize("header", [b"{'descr': __import__('os')}", b"(((((", b"\xff\xfe", b"{}", b""])
def test_a_broken_header_is_unreadable(tmp_path, header):
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    assert rejected(path).code == "unreadable"
