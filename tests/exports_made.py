"""Files as NanoSight and ZetaView leave them, made so that their identities hold and each can be broken."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nta.formats.identities import nanosight_water_mpas, size_times_diffusion_nm_um2_s

NANO = """[Filenames]
{names}

[Details]
CaptureAppBuild=NTA 3.4 Build 3.4.003
Operator=Ada
Pretreatment=
SampleName={sample}
Diluent=PBS
Remarks=0.2 µm filtered
TimeCaptured=15:28:16  01/04/2021
ModelNo=NS300
ScriptName=

[CaptureSettings]
PixelSize={pixel}
Temperature={temperature}
Viscosity={viscosity}
WaterViscosity={ones}
DilutionFactor={dilution}
CameraType={ones}
FramesPerSecond={fps}
TotalFrames={frames}
Shutter={shutter}
Gain={ones}
ConcCoeffA=1.5

[CurrentView]
Selected={ones}
"""


def listed(value: object, n: int) -> str:
    values = value if isinstance(value, list | tuple) else [value] * n
    return ",".join(str(one) for one in values)


def nano_text(
    names: Sequence[str],
    *,
    sample: str = "harvest 3",
    pixel: object = 140,
    temperature: object = 26.173,
    viscosity: object = 0.865438,
    dilution: object = 0,
    fps: object = 24.9825,
    frames: object = 1498,
    shutter: object = 32.5,
) -> str:
    n = len(names)
    return NANO.format(
        names="\n".join(names),
        sample=sample,
        pixel=listed(pixel, n),
        temperature=listed(temperature, n),
        viscosity=listed(viscosity, n),
        dilution=listed(dilution, n),
        fps=listed(fps, n),
        frames=listed(frames, n),
        shutter=listed(shutter, n),
        ones=listed(1, n),
    )


def write_nano(path: Path, names: Sequence[str], encoding: str = "iso-8859-1", **values: object) -> Path:
    path.write_text(nano_text(names, **values), encoding=encoding)  # type: ignore[arg-type]
    return path


def bell(d50: float, per_ml: float, sd: float = 12.0) -> np.ndarray:
    """Return 1000 bins of 1 nm that add up to a concentration."""
    centres = np.arange(1000) + 0.5
    shape = np.exp(-0.5 * ((centres - d50) / sd) ** 2)
    return per_ml * shape / shape.sum()


def three_digits(value: float) -> str:
    return f"{float(f'{value:.3g}'):.0f}"


def summary_text(
    d50s: Sequence[float] = (96.0, 98.0, 101.0),
    per_mls: Sequence[float] = (1.43e9, 1.28e9, 1.18e9),
    *,
    averages: bool = True,
    dilution: str = "Not recorded",
    failed: int | None = None,
    diffusion: bool = False,
    viscosity: float | None = None,
    version: str = "3.4",
    temperature: float = 22.0,
    weightings: bool = False,
    single: bool = False,
) -> str:
    """Return an experiment summary; capture number ``failed`` holds zeros."""
    n = len(d50s)
    names = [f"std_{k:02d}" for k in range(n)]
    d50s = [0.0 if k == failed else d for k, d in enumerate(d50s)]
    per_mls = [0.0 if k == failed else c for k, c in enumerate(per_mls)]
    eta = nanosight_water_mpas(temperature) if viscosity is None else viscosity

    def row(key: str, values: Sequence[object], form: str = "{}") -> str:
        cells = [form.format(value) for value in values]
        if averages and values and isinstance(values[0], float):
            numbers = np.array(values, dtype=float)
            error = float(np.std(numbers, ddof=1)) / math.sqrt(len(numbers)) if len(numbers) > 1 else 0.0
            cells += [form.format(float(numbers.mean())), form.format(error)]
        return ",".join([key, *cells]) + ","

    def block(weighting: str, values: Sequence[float], bins: list[np.ndarray]) -> list[str]:
        head = ["Average", "Standard Error"] if averages else []
        lines = ["Analysis Method,FTLA,", f"Weighting,{weighting},", ",".join(["Filename", *names, *head]) + ","]
        for key, offset in (("Mean", 2.0), ("Mode", -1.0), ("SD", None), ("D10", -12.0), ("D50", 0.0), ("D90", 15.0)):
            stated = [0.0 if not v else 12.0 if offset is None else v + offset for v in values]
            lines.append(row(key, stated, "{:.1f}"))
        lines += [f"Valid Tracks,{','.join(['1872.0'] * n)},", "Graph Data,", "Bin centre (nm),per ml,"]
        for place in range(1000):
            cells = [float(one[place]) for one in bins]
            lines.append(row(f"{place + 0.5}", cells, "{:.6g}"))
        lines += [",", "Percentile,Size (nm),"]
        lines += [f"{percent},{','.join([str(percent)] * n)}," for percent in range(101)]
        return [*lines, ","]

    bins = [bell(d, c) if c else np.zeros(1000) for d, c in zip(d50s, per_mls, strict=True)]
    sample_key = "Sample Name" if version == "3.2" else "Sample Description"
    lines = [
        "NTA Single Analysis Summary File," if single else "NTA Experiment Summary File,",
        f"Created with NTA {version} Build {version}.003,",
        ",",
        "[Experiment Details],,",
        f"Experiment Name,std {version}.nano,",
        f"{sample_key},beads µ,",
        "Operator Name,Ada,",
        "Time Captured,11:52:04  16/06/2020,",
        "Diluent,water,",
        ",",
        ",".join(["Filename:", *names]) + ",",
        ",",
        "[Conditions],,",
        row("Temperature/C", [f"{temperature:.3f}"] * n),
        row("Viscosity/cP", [f"{eta:.6f}"] * n),
        row("Shutter/ms", ["22.25"] * n),
        row("Frame rate/fps", ["24.9825"] * n),
        "[Settings],,",
        row("Max Jump Mode", ["Auto"] * n),
        row("Total frames analysed", ["749"] * n),
        "[Exclusion Regions]",
        "No Exclusion Regions Used,",
        "[Results]," + "," * n + ("Average,Standard Error," if averages else ""),
        row("Dilution factor (concentrations adjusted for this factor)", [dilution] * n),
        row("Concentration (Particles / ml)", [float(f"{c:.3g}") for c in per_mls], "{:.3g}"),
        row("Particles per frame", ["100.1"] * n),
        row("Centres per frame", [90.0 + k for k in range(n)], "{:.1f}"),
        row("Completed tracks", ["4677"] * n),
        "[Concentration Warnings]",
        row("Noise level", ["No"] * n),
        row("Completed Tracks", ["OK"] * n),
        "[Information]",
        row("Completed Tracks", ["OK"] * n),
        row("Vibration detected", ["Minor vibration"] + ["No"] * (n - 1)),
        row("Vibration correction applied", ["Yes"] * n),
        "[Data Included],",
        "[Size Data],",
        *block("Number", d50s, bins),
    ]
    if weightings:
        lines += block("Volume", [d + 30 for d in d50s], bins)
    if diffusion:
        constant = size_times_diffusion_nm_um2_s(temperature, eta)
        lines += ["[Diffusion Coefficient Data],", "Analysis Method,FTLA,", "Weighting,Number,"]
        lines += [row("D50", [f"{constant / d * 100:.2f}" for d in d50s])]  # 10⁴ nm²/s
    return "\n".join(lines) + "\n"


ZETAVIEW_HEAD = """Original File:\t20210401_0001_ev_size_488.avi
Operator:\tAda
Experiment:\tday 3
ZetaView S/N:\t21-734
Software:\tZetaView (version 8.06.01 SP1)
SOP:\tEV_488
Sample:\t{sample}
Electrolyte:\tPBS
Temperature:\t23.46 sensed
Viscosity:\t0.920
Date:\t2021-04-01
Time:\t15:28:16
Remarks:\t
Particle Drift Check Result:\tgood
Cell Check Result:\t1904-01-01
Number of Traces:\t{traces}
Average Number of Particles:\t121.5
Dilution::\t{dilution}
Concentration Correction Factor:\t1.0
Camera:\tFpSec 30 #Cycles 1 FRate 30.000000
Laser Wavelength nm:\t488.0
Micrometer per Pixel:\t0.713
Median Number (D50):\t{median}
Median Concentration (D50):\t{median}

Size / nm\tNumber\tConcentration / cm-3\tVolume / nm^3\tArea / nm^2
"""


def zetaview_text(
    *,
    sample: str = "ev day 3",
    dilution: float = 1000.0,
    failed: bool = False,
    median: float = 122.5,
    crlf: bool = False,
) -> str:
    centres = 2.5 + 5.0 * np.arange(1200)
    number = np.round(500 * np.exp(-0.5 * ((centres - 122.5) / 25.0) ** 2))
    concentration = number * 2.5e5
    rows = []
    if not failed:
        rows += [
            f"{d:.4E}\t{k:.4E}\t{c:.4E}\t{c * d**3:.4E}\t{c * d**2:.4E}"
            for d, k, c in zip(centres, number, concentration, strict=True)
        ]
    rows += ["\t".join(["-1.000E+0"] * 5)]
    if not failed:
        rows += [f"{d:.4E}\t1.0E+0\t1.0E+5\t1.0E+0\t1.0E+0" for d in np.geomspace(1, 10_000, 200)]
    head = ZETAVIEW_HEAD.format(sample=sample, dilution=dilution, traces=0 if failed else 3120, median=median)
    text = head + "\n".join(rows) + "\n"
    return text.replace("\n", "\r\n") if crlf else text


POSITION_HEAD = (
    "Use\tPosition\tMean Int.\tAv. No of Particles\tConc. (p./mL)\tOrig. Conc. (p./cm^3)\tNo. of Traces\t"
    "X50 (nm)\tPeak 1 (nm)\tSpan\tDrift (µm/s)\tRemoval"
)
POSITIONS = f"""Sample:\tev day 3
{POSITION_HEAD}
1\t1\t50\t120.0\t1.10E+8\t1.1E+8\t300\t121.0\t110.0\t0.9\t2.1\t
1\t2\t50\t122.0\t1.20E+8\t1.2E+8\t310\t123.0\t112.0\t0.9\t2.2\t
0\t3\t50\t300.0\t9.00E+8\t9.0E+8\t310\t190.0\t180.0\t0.9\t2.2\toutlier
1\t4\t50\t124.0\t1.30E+8\t1.3E+8\t320\t125.0\t114.0\t0.9\t2.3\t
\tMean\t50\t122.0\t1.20E+8\t1.2E+8\t310\t123.0\t112.0\t0.9\t2.2\t
\tSt.Dev.\t0\t2.0\t1.0E+7\t1.0E+7\t10\t2.0\t2.0\t0\t0.1\t
\tRel.St.Dev.\t0\t0.02\t0.08\t0.08\t0.03\t0.02\t0.02\t0\t0.05\t
"""


def particles_text(
    size_nm: np.ndarray, *, included: str = "True", excluded: str = "False", product: float = 0.0
) -> str:
    """Return a ``_ParticleData.csv``; every tenth particle is not included."""
    constant = product or size_times_diffusion_nm_um2_s(25.0, 0.89)
    head = (
        "Particle ID,Size/nm,Diffusion coefficient/nm^2 s^-1,Ln(Adjusted intensity)/AU,Start frame,Tracklength,"
        "Included in distribution?"
    )
    rows = [
        f"{k},{d:.2f},{constant / d * 1e6:.1f},7.25,{k % 500},12,{excluded if k % 10 == 9 else included}"
        for k, d in enumerate(size_nm)
    ]
    return "\n".join([head, *rows]) + "\n"


def all_tracks_text(table: object, *, ending: str = "") -> str:
    """Return an ``_AllTracks.csv`` of a table with trackpy's columns."""
    constant = size_times_diffusion_nm_um2_s(25.0, 0.89)
    head = (
        "Particle ID,Size/nm,Diffusion coefficient/nm^2 s^-1,Frame,X/pixels,Y/pixels,Ln(Adjusted intensity)/AU,"
        "Included in distribution?"
    )
    rows = [
        f"{row.particle},100.0,{constant / 100.0 * 1e6:.1f},{row.frame},{row.x:.4f},{row.y:.4f},6.5,TRUE{ending}"
        for row in table.itertuples()  # type: ignore[attr-defined]
    ]
    return "\n".join([head, *rows]) + "\n"
