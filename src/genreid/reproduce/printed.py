"""The papers' tables as they are printed: every system, every figure, and which row of ours stands for which.

All figures are quoted from the papers; those of systems without a row were neither run nor checked here. A
second transcription in the tests guards this one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from genreid.reproduce.published import Published

Printed = tuple[str, ...]
"""Figures of one system on one data set or pair, as they are printed; `-`: none."""


class System(NamedTuple):
    """A line of a table.

    Attributes:
        group: The heading that it stands under; empty: none.
        name: What the paper calls it.
        variant: Last part of the names of our rows that stand for it; empty: genreid does not make it.
        printed: One entry for each of the table's `on`, in their order.
    """

    group: str
    name: str
    variant: str
    printed: tuple[Printed, ...]


@dataclass(frozen=True)
class PrintedTable:
    """A table of a paper.

    Attributes:
        paper: Name of the paper.
        number: Number of the table.
        title: What it shows.
        on: Data sets, or pairs of them, as the middle part of row names.
        figures: What is printed for each of them: `rank1`, `rank5`, `rank10`, `mAP` in percent, or `lpips`,
            `fid`, `ssim`.
        systems: Its lines.
        note: What has to be known to read it.
    """

    paper: str
    number: int
    title: str
    on: tuple[str, ...]
    figures: tuple[str, ...]
    systems: tuple[System, ...]
    note: str = ""

    @property
    def name(self) -> str:
        """What is typed behind `--table`."""
        return f"{self.paper}/{self.number}"

    def published(self, system: System, on: str) -> Mapping[str, float]:
        """Return a system's figures on one data set or pair, those that are printed.

        Args:
            system: A line of the table.
            on: One of `on`.
        """
        texts = system.printed[self.on.index(on)]
        return {name: float(text) for name, text in zip(self.figures, texts, strict=True) if text != "-"}


_BOTH_WAYS = ("market1501-dukemtmc", "dukemtmc-market1501")
_ALL_RANKS = ("rank1", "rank5", "rank10", "mAP")
_TABLES = (
    (
        "crgan/1 Image quality, without and with dual condition",
        _BOTH_WAYS,
        ("lpips", "fid"),
        """
        Source-Target data | | 0.458 0.330  0.458 0.330
        w/o dual condition | without_dual | 0.196 0.065  0.210 0.137
        CR-GAN | crgan | 0.281 0.058  0.269 0.096
        """,
        "LPIPS: higher is better; FID: lower is better. Source-Target data: the upper bound of either.",
    ),
    (
        "crgan/2 Ablation of the dual condition",
        _BOTH_WAYS,
        ("rank1", "mAP"),
        """
        Direct Transfer | direct | 36.9 20.5  47.5 20.0
        w/o dual cond | without_dual | 43.3 24.8  55.5 27.0
        CR-GAN | crgan | 52.2 30.0  59.6 29.6
        w/o dual cond+LMP | without_dual_lmp | 48.7 27.6  59.2 28.5
        CR-GAN+LMP | crgan_lmp | 56.0 33.3  64.5 33.2
        """,
        "",
    ),
    (
        "crgan/3 Ablation of each loss",
        _BOTH_WAYS,
        ("rank1", "mAP"),
        """
        w/o identity loss | without_identity | 31.9 15.4  32.8 11.8
        w/o camera loss | without_camera | 48.8 28.6  53.6 26.0
        w/o context loss | without_context | 48.5 28.8  57.4 28.7
        CR-GAN | crgan | 52.2 30.0  59.6 29.6
        """,
        "",
    ),
    (
        "crgan/4 Image quality, beside SPGAN",
        _BOTH_WAYS,
        ("lpips", "fid"),
        """
        Source-Target data | | 0.458 0.330  0.458 0.330
        SPGAN | spgan | 0.099 0.171  0.099 0.115
        CR-GAN | crgan | 0.281 0.058  0.269 0.096
        """,
        "LPIPS: higher is better; FID: lower is better.",
    ),
    (
        "crgan/5 Methods that adapt images",
        _BOTH_WAYS,
        ("rank1", "mAP"),
        """
        PTGAN | | 27.4 -  38.6 66.1
        SPGAN | spgan | 41.1 22.3  51.5 22.8
        M2M-GAN | | 49.6 26.1  57.5 26.8
        CR-GAN | crgan | 52.2 30.0  59.6 29.6
        SPGAN+LMP | spgan_lmp | 46.4 26.2  57.7 26.7
        M2M-GAN+LMP | | 54.4 31.6  63.1 30.9
        CR-GAN+LMP | crgan_lmp | 56.0 33.3  64.5 33.2
        """,
        "PTGAN's 66.1 is printed under mAP; table 6 has it as rank-10.",
    ),
    (
        "crgan/6 Unsupervised cross-domain methods, between Market-1501 and DukeMTMC-reID",
        _BOTH_WAYS,
        _ALL_RANKS,
        """
        Shallow:
        LOMO | | 12.3 21.3 26.6 4.8  27.2 41.6 49.1 8.0
        BoW | | 17.1 28.8 34.9 8.3  35.8 52.4 60.3 14.8
        UMDL | | 18.5 31.4 37.6 7.3  34.5 52.6 59.6 12.4
        Image:
        PTGAN | | 27.4 - 50.7 -  38.6 - 66.1 -
        SPGAN+LMP | spgan_lmp | 46.4 62.3 68.0 26.2  57.7 75.8 82.4 26.7
        M2M-GAN+LMP | | 54.4 - - 31.6  63.1 - - 30.9
        CR-GAN+LMP | crgan_lmp | 56.0 70.5 74.6 33.3  64.5 79.8 85.0 33.2
        Feature:
        PUL* | | 30.0 43.4 48.5 16.4  45.5 60.7 66.7 20.5
        TJ-AIDL+ | | 44.3 59.6 65.0 23.0  58.2 74.8 81.1 26.5
        MMFA+ | | 45.3 59.8 66.3 24.7  56.7 75.0 81.8 27.4
        BUC* | | 47.4 62.6 68.4 27.5  66.2 79.6 84.5 38.3
        TAUDL* | taudl | 61.7 - - 43.5  63.7 - - 41.2
        Hybrid:
        HHL | | 46.9 61.0 66.7 27.2  62.2 78.8 84.0 31.4
        SPGAN+TAUDL | spgan_taudl | 66.1 80.0 83.2 47.2  66.5 81.8 86.6 38.5
        CR-GAN+TAUDL | crgan_taudl | 68.9 80.2 84.7 48.6  77.7 89.7 92.7 54.0
        """,
        "*: no source data. +: source attribute labels. TAUDL knows who is who within a camera.",
    ),
    (
        "crgan/7 Unsupervised cross-domain methods, from CUHK03",
        ("cuhk03-market1501", "cuhk03-dukemtmc"),
        _ALL_RANKS,
        """
        Image:
        PTGAN | | 31.5 - 60.2 -  17.6 - 38.5 -
        SPGAN | spgan | 42.3 - - 19.0  - - - -
        CR-GAN | crgan | 58.5 75.8 81.9 30.4  46.5 61.6 67.0 26.9
        Feature:
        TAUDL* | taudl | 63.7 - - 41.2  61.7 - - 43.5
        Hybrid:
        HHL | | 56.8 74.7 81.4 29.8  42.7 57.5 64.2 23.4
        CR-GAN+TAUDL | crgan_taudl | 78.3 89.4 93.0 56.0  67.7 79.4 83.4 47.7
        """,
        "*: no source data. TAUDL knows who is who within a camera.",
    ),
    (
        "crgan/11 Ablation: cut, paste and learn",
        _BOTH_WAYS,
        ("rank1", "mAP"),
        """
        Direct Transfer | direct | 36.9 20.5  47.5 20.0
        cut, paste and learn | cut_paste | 21.6 9.0  26.5 11.3
        CR-GAN | crgan | 52.2 30.0  59.6 29.6
        CR-GAN+LMP | crgan_lmp | 56.0 33.3  64.5 33.2
        """,
        "",
    ),
    (
        "dgnet/2 Realism and diversity of images on Market-1501",
        ("market1501",),
        ("fid", "ssim"),
        """
        Real | | 7.22 0.350
        LSGAN | | 136.26 -
        PG2-GAN | | 151.16 -
        PN-GAN | | 54.23 0.335
        FD-GAN | | 257.00 0.247
        Ours | both | 18.24 0.360
        """,
        "FID: lower is better; SSIM: higher is better.",
    ),
    (
        "dgnet/3 Baseline, primary feature, fine-grained feature, and both",
        ("market1501", "dukemtmc", "msmt17"),
        ("rank1", "mAP"),
        """
        Baseline | teacher | 89.6 74.5  82.0 65.3  68.8 36.2
        f_prim | primary | 94.0 84.4  85.6 72.7  76.0 49.7
        f_fine | fine | 91.6 75.3  78.7 61.2  71.5 43.5
        f_prim, f_fine | both | 94.8 86.0  86.6 74.8  77.2 52.3
        """,
        "",
    ),
    (
        "dgnet/4 Other methods on Market-1501 and DukeMTMC-reID",
        ("market1501", "dukemtmc"),
        ("rank1", "mAP"),
        """
        Not using generated data:
        Verif-Identif | | 79.5 59.9  68.9 49.3
        DCF | | 80.3 57.5  - -
        SSM | | 82.2 68.8  - -
        SVDNet | | 82.3 62.1  76.7 56.8
        PAN | | 82.8 63.4  71.6 51.5
        GLAD | | 89.9 73.9  - -
        HA-CNN | | 91.2 75.7  80.5 63.8
        MLFN | | 90.0 74.3  81.0 62.8
        Part-aligned | | 91.7 79.6  84.4 69.3
        PCB | | 93.8 81.6  83.3 69.2
        Mancs | | 93.1 82.3  84.9 71.8
        Using separately generated images:
        DeformGAN | | 80.6 61.3  - -
        LSRO | | 84.0 66.1  67.7 47.1
        Multi-pseudo | | 85.8 67.5  76.8 58.6
        PT | | 87.7 68.9  78.5 56.9
        PN-GAN | | 89.4 72.6  73.6 53.2
        FD-GAN | | 90.5 77.7  80.0 64.5
        Joint:
        Ours | both | 94.8 86.0  86.6 74.8
        """,
        "The paper has no heading above its own line.",
    ),
    (
        "dgnet/5 Other methods on MSMT17",
        ("msmt17",),
        _ALL_RANKS,
        """
        Deep | | 47.6 65.0 71.8 23.0
        PDC | | 58.0 73.6 79.4 29.7
        Verif-Identif | | 60.5 76.2 81.6 31.6
        GLAD | | 61.4 76.8 81.6 34.0
        PCB | | 68.2 81.2 85.5 40.4
        Ours | both | 77.2 87.4 90.5 52.3
        """,
        "",
    ),
    (
        "dgnet/9 Direct transfer",
        (
            *("market1501-dukemtmc", "dukemtmc-market1501", "market1501-msmt17"),
            *("msmt17-market1501", "dukemtmc-msmt17", "msmt17-dukemtmc"),
        ),
        _ALL_RANKS,
        """
        Ours | both | 42.62 58.57 64.63 24.25  56.12 72.18 78.12 26.83  17.11 26.66 31.62 5.41
                      61.76 77.67 83.25 33.62  20.59 31.67 37.04 6.35  61.89 75.81 80.34 40.69
        """,
        "",
    ),
    (
        "dgnet/10 Other methods on CUHK03-NP",
        ("cuhk03",),
        ("rank1", "mAP"),
        """
        HA-CNN | | 41.7 38.6
        PT | | 41.6 38.7
        MLFN | | 52.8 47.8
        PCB | | 61.3 54.2
        PCB + RPP | | 63.7 57.5
        Ours | both | 65.6 61.1
        """,
        "The version is not named; those compared are published for detected boxes.",
    ),
)
"""Name and title, data, figures, lines, note. A line: name | variant of ours | figures."""
SECTIONS: Mapping[str, tuple[str, Published]] = {"dgnet/market1501/offline": ("4.3", Published(mAP=0.844))}
"""Rows whose figures stand in the text of a paper: its section, and the figures."""


def _read(name_and_title: str, on: tuple[str, ...], figures: Printed, lines: str, note: str) -> PrintedTable:
    """Return a table of what is written above."""
    name, title = name_and_title.split(" ", maxsplit=1)
    paper, number = name.split("/")
    return PrintedTable(paper, int(number), title, on, figures, tuple(_systems(lines, len(figures))), note)


def _systems(lines: str, width: int) -> Iterator[System]:
    """Yield the lines of a table; figures that do not fit into one go on in the next."""
    group = ""
    for line in lines.strip().replace("\n" + 22 * " ", " ").splitlines():
        if line.strip().endswith(":"):
            group = line.strip().removesuffix(":")
            continue
        system, variant, printed = (part.strip() for part in line.split("|"))
        texts = printed.split()
        blocks = tuple(tuple(texts[start : start + width]) for start in range(0, len(texts), width))
        yield System(group, system, variant, blocks)


TABLES: Mapping[str, PrintedTable] = {table.name: table for table in (_read(*each) for each in _TABLES)}
"""Every table of both papers that has figures, by the name that is typed, such as `crgan/6`."""


def find_table(name: str) -> PrintedTable:
    """Return a table by its name.

    Args:
        name: PAPER/NUMBER.

    Raises:
        ValueError: If there is no such table, or it has no figures; all are named.
    """
    if name not in TABLES:
        msg = f"genreid reproduce --table: expected one of {', '.join(TABLES)}, got {name!r}"
        raise ValueError(msg)
    return TABLES[name]


class InPaper(NamedTuple):
    """Where a paper has a row, and its figures.

    Attributes:
        tables: Numbers of the tables with figures of re-identification.
        section: The section of the text, if it is in no table.
        published: The figures; None: the paper has no such row.
    """

    tables: tuple[int, ...]
    section: str
    published: Published | None


def in_paper(name: str) -> InPaper:
    """Return what the paper says of a row.

    Args:
        name: PAPER/DATA/VARIANT.
    """
    paper, on, variant = name.split("/")
    tables: list[int] = []
    found: dict[str, float] = {}
    for table in TABLES.values():
        if table.paper != paper or on not in table.on or "rank1" not in table.figures:
            continue
        for system in table.systems:
            if system.variant == variant and (figures := table.published(system, on)):
                tables.append(table.number)
                found |= figures
    if tables:
        shares = {figure: round(percent / 100, 6) for figure, percent in found.items()}
        return InPaper(tuple(tables), "", Published(**shares))
    section, published = SECTIONS.get(name, ("", None))
    return InPaper((), section, published)
