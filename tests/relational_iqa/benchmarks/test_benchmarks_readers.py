"""Readers: each reads the layout its data set is distributed in, says what is missing, and turns scores upwards.

The miniature copies have real file names and empty images: readers never decode.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from distortion_engine.errors import UsageError
from relational_iqa.benchmarks.readers.catalog import READERS, read_benchmark
from relational_iqa.benchmarks.readers.names import DATA_SETS
from tests.relational_iqa.miniature_sets import pieapp, touch, workbook, write


def kadid(root: Path) -> None:
    rows = ["dist_img,ref_img,dmos,var"]
    for image in ("I01", "I81"):
        for kind in (1, 25):
            rows.append(f"{image}_{kind:02d}_05.png,{image}.png,{kind / 10 + 1},0.4")
            touch(root, f"images/{image}_{kind:02d}_05.png")
        touch(root, f"images/{image}.png")
    write(root, "dmos.csv", "\n".join(rows) + "\n")


def tid2013(root: Path) -> None:
    # The set itself mixes cases: reference i25.bmp, distorted images in lower and upper case.
    write(root, "mos_with_names.txt", "5.51429 I01_01_1.bmp\n4.5 i25_24_5.bmp\n")
    touch(root, "distorted_images/i01_01_1.bmp", "distorted_images/I25_24_5.bmp")
    touch(root, "reference_images/I01.BMP", "reference_images/i25.bmp")


def tid2008(root: Path) -> None:
    write(root, "mos_with_names.txt", "5.9706 I01_01_1.bmp\n3.25 I25_17_4.bmp\n")
    touch(root, "distorted_images/I01_01_1.bmp", "distorted_images/I25_17_4.bmp")
    touch(root, "reference_images/I01.BMP", "reference_images/I25.BMP")


CSIQ_ROWS = [("noise", "awgn", "AWGN"), ("blur", "blur", "BLUR"),
             ("contrast", "contrast", "contrast"), ("fnoise", "fnoise", "fnoise"), ("jpeg", "jpeg", "JPEG"),
             ("jpeg 2000", "jpeg2000", "jpeg2000")]  # fmt: skip


def csiq(root: Path) -> None:
    header = ["image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos"]
    rows: list[Sequence[str | float | None]] = [["DMOS of CSIQ"], [], [], header]
    for index, (kind, folder, word) in enumerate(CSIQ_ROWS):
        image: str | float = 1600 if index % 2 else "boston"
        rows.append([image, index + 1, kind, 2, 0.05, index / 10])
        touch(root, f"dst_imgs/{folder}/{image}.{word}.2.png", f"src_imgs/{image}.png")
    workbook(root / "csiq.DMOS.xlsx", {"all_by_distortion": [["other"]], "all_by_image": rows}, first_column=3)


def live_wild(root: Path) -> None:
    names = np.empty((9, 1), dtype=object)
    names[:, 0] = [f"t{n}.bmp" for n in range(1, 8)] + ["3.bmp", "10.JPG"]
    (root / "Data").mkdir(parents=True)
    savemat(root / "Data/AllImages_release.mat", {"AllImages_release": names})
    savemat(root / "Data/AllMOS_release.mat", {"AllMOS_release": np.arange(9.0)[None] * 10})
    touch(root, *(f"Images/trainingImages/t{n}.bmp" for n in range(1, 8)), "Images/3.bmp", "Images/10.JPG")


def koniq10k(root: Path) -> None:
    write(root, "koniq10k_scores_and_distributions.csv",
          '"image_name","c1","c2","c3","c4","c5","c_total","MOS","SD","MOS_zscore"\n'
          '"10004473376.jpg",0,0,25,73,7,105,3.83,0.53,72.43\n'
          '"10007357496.jpg",0,3,45,47,1,96,3.48,0.58,61.02\n')  # fmt: skip
    touch(root, "1024x768/10004473376.jpg", "1024x768/10007357496.jpg")


def spaq(root: Path) -> None:
    rows = [["Image name", "MOS", "Brightness", "Colorfulness"], ["00001.jpg", 26.6, 50, 1], ["00002.jpg", 61.4, 50, 1]]
    workbook(root / "Annotations/MOS and Image attribute scores.xlsx", {"Sheet1": rows})
    touch(root, "TestImage/00001.jpg", "TestImage/00002.jpg")


def pipal(root: Path) -> None:
    write(root, "Train_Label/A0001.txt", "A0001_00_00.bmp,1526.05\nA0001_06_26.bmp,1400.5\n")
    write(root, "Train_Label/A0002.txt", "A0002_03_01.bmp,1390.25\n")
    touch(root, "Train_Ref/A0001.bmp", "Train_Ref/A0002.bmp")
    touch(root, "Distortion_1/A0001_00_00.bmp", "Distortion_4/A0001_06_26.bmp", "Distortion_2/A0002_03_01.bmp")


def agiqa3k(root: Path) -> None:
    write(root, "data.csv", "name,prompt,adj1,adj2,style,mos_quality,std_quality,mos_align,std_align\n"
          'AttnGAN_normal_000.jpg,"statue of a man, on a table",,,,0.83,0.2,1.0,0.3\n'
          "xl2.2_normal_000.jpg,a red car,extremely bright,,anime style,3.4,0.2,3.0,0.3\n")  # fmt: skip
    touch(root, "AttnGAN_normal_000.jpg", "xl2.2_normal_000.jpg")


def table(root: Path) -> None:
    write(
        root,
        "scores.csv",
        "image,reference,score,scene,distortion,level\na.png,r.png,3,s,jpeg,1\nb.png,r.png,5,s,jpeg,2\n",
    )
    touch(root, "a.png", "b.png", "r.png")


# name: (builder, published numbers in order, scores in order, a file without which the set is incomplete)
SETS: dict[str, tuple[Callable[[Path], None], list[float], list[float], str]] = {
    "kadid10k": (kadid, [1.1, 3.5, 1.1, 3.5], [1.1, 3.5, 1.1, 3.5], "images/I81_25_05.png"),
    "tid2013": (tid2013, [5.51429, 4.5], [5.51429, 4.5], "reference_images/I01.BMP"),
    "tid2008": (tid2008, [5.9706, 3.25], [5.9706, 3.25], "reference_images/I25.BMP"),
    "csiq": (csiq, [0, 0.1, 0.2, 0.3, 0.4, 0.5], [1, 0.9, 0.8, 0.7, 0.6, 0.5], "dst_imgs/blur/1600.BLUR.2.png"),
    "live-wild": (live_wild, [70, 80], [70, 80], "Images/10.JPG"),
    "koniq10k": (koniq10k, [72.43, 61.02], [72.43, 61.02], "1024x768/10007357496.jpg"),
    "spaq": (spaq, [26.6, 61.4], [26.6, 61.4], "TestImage/00001.jpg"),
    "pipal": (pipal, [1526.05, 1400.5, 1390.25], [1526.05, 1400.5, 1390.25], "Distortion_4/A0001_06_26.bmp"),
    "agiqa3k": (agiqa3k, [0.83, 3.4], [0.83, 3.4], "xl2.2_normal_000.jpg"),
    "pieapp": (pieapp, [2.5, 1.25], [-2.5, -1.25], "distorted_images/test/ref_27/distort_27_jpeg_intra_2.png"),
    "csv": (table, [3, 5], [3, 5], "b.png"),
}


@pytest.fixture
def built(tmp_path: Path) -> Callable[[str], Path]:
    def build(name: str) -> Path:
        SETS[name][0](tmp_path)
        return tmp_path

    return build


def test_the_command_names_the_data_sets_that_there_are() -> None:
    assert sorted(DATA_SETS) == sorted(READERS)
    assert sorted([*SETS, "live", "bapps", "pieapp-2afc"]) == sorted(READERS)


@pytest.mark.parametrize("name", SETS)
def test_a_set_is_read_in_its_own_layout_and_scores_are_turned_upwards(built: Callable, name: str) -> None:
    root = built(name)
    benchmark = read_benchmark(name, root, partial=True)
    _, published, scores, _ = SETS[name]
    assert [image.published for image in benchmark.images] == pytest.approx(published)
    assert [image.score for image in benchmark.images] == pytest.approx(scores)
    for image in benchmark.images:
        assert image.image.is_absolute() and image.image.is_file()
        assert image.reference is None or (image.reference.is_absolute() and image.reference.is_file())
    assert benchmark.with_reference == (name not in ("live-wild", "koniq10k", "spaq", "agiqa3k"))


@pytest.mark.parametrize("name", SETS)
def test_a_missing_file_is_named_with_the_remedy_and_partial_reads_the_rest(built: Callable, name: str) -> None:
    root = built(name)
    absent = SETS[name][3]
    (root / absent).unlink()
    with pytest.raises(UsageError) as error:
        read_benchmark(name, root)
    assert Path(absent).name in str(error.value) and "--partial" in str(error.value) and "\n" not in str(error.value)
    rest = read_benchmark(name, root, partial=True)
    assert 0 < len(rest.images) < len(SETS[name][1])
    assert any(Path(absent).name in note for note in rest.notes)


@pytest.mark.parametrize("name", [name for name in SETS if name != "csv"])
def test_a_set_of_another_size_is_refused_with_both_sizes(built: Callable, name: str) -> None:
    root = built(name)
    with pytest.raises(UsageError, match="the published set has [0-9,]+; .*--partial"):
        read_benchmark(name, root)


@pytest.mark.parametrize("name", [*SETS, "live", "bapps", "pieapp-2afc"])
def test_a_wrong_folder_is_refused_in_one_line_that_says_what_to_give(tmp_path: Path, name: str) -> None:
    for root in (tmp_path, tmp_path / "gone"):
        with pytest.raises(UsageError) as error:
            read_benchmark(name, root)
        assert str(root) in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) > 30


def test_scenes_and_distortions_come_from_names_and_tables(tmp_path: Path) -> None:
    def first(name: str, build: Callable[[Path], None], index: int = 0) -> tuple[str, str, str]:
        root = tmp_path / name
        root.mkdir()
        build(root)
        image = read_benchmark(name, root, partial=True).images[index]
        return image.scene, image.distortion, image.level

    assert first("kadid10k", kadid, -1) == ("I81", "25 contrast change", "5")
    assert first("tid2013", tid2013, 1) == ("I25", "24 sparse sampling", "5")
    assert first("csiq", csiq, 1) == ("1600", "blur", "2")
    assert first("pipal", pipal, 1) == ("A0001", "type 06", "26")
    assert first("pieapp", pieapp) == ("ref_27", "gaussian_blur", "")
    assert first("agiqa3k", agiqa3k, 1) == ("a red car extremely bright anime style", "xl2.2", "")


def test_csiq_reads_distorted_images_from_one_folder_too(tmp_path: Path) -> None:
    csiq(tmp_path)
    for path in list((tmp_path / "dst_imgs").rglob("*.png")):
        path.rename(tmp_path / "dst_imgs" / path.name)
    assert len(read_benchmark("csiq", tmp_path, partial=True).images) == 6


def test_koniq_without_z_scores_keeps_stars_and_their_range(tmp_path: Path) -> None:
    koniq10k(tmp_path)
    write(
        tmp_path,
        "koniq10k_scores_and_distributions.csv",
        "image_name,MOS\n10004473376.jpg,3.83\n10007357496.jpg,3.48\n",
    )
    benchmark = read_benchmark("koniq10k", tmp_path, partial=True)
    assert (benchmark.opinion.low, benchmark.opinion.high) == (1, 5)


def test_a_number_far_outside_the_range_of_the_set_is_another_column(tmp_path: Path) -> None:
    kadid(tmp_path)
    write(tmp_path, "dmos.csv", "dist_img,ref_img,dmos,var\nI01_01_05.png,I01.png,55.3,0\n")
    with pytest.raises(UsageError, match="line 2: 55.3 is far outside .*1 to 5"):
        read_benchmark("kadid10k", tmp_path, partial=True)


def test_a_table_of_degradations_is_turned_and_only_a_table_can_be(tmp_path: Path) -> None:
    table(tmp_path)
    benchmark = read_benchmark("csv", tmp_path / "scores.csv", lower_is_better=True)
    assert [(image.score, image.published) for image in benchmark.images] == [(-3, 3), (-5, 5)]
    kadid(tmp_path)
    with pytest.raises(UsageError, match="--lower-is-better is for csv"):
        read_benchmark("kadid10k", tmp_path, lower_is_better=True)
    write(tmp_path, "scores.csv", "image,score\na.png,1\na.png,2\n")
    with pytest.raises(UsageError, match="a.png is listed twice"):
        read_benchmark("csv", tmp_path)
