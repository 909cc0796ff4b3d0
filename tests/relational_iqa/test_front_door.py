"""What is importable from the roots of the two packages: public names, and module paths of earlier releases."""

import importlib
import subprocess
import sys

import pytest

import relational_iqa

FORMER = {
    "relational_iqa.pmos": "load",
    "relational_iqa.reiqa": "load",
    "relational_iqa.spips": "load",
    "relational_iqa.model": "RelationalIQA",
    "relational_iqa.training.judge": "metric_judge",
    "relational_iqa.training.spips_fit": "parse_config",
    "distortion_engine.image_io": "load_image",
    "distortion_engine.photos": "list_photos",
    "distortion_engine.export": "rerender",
    "distortion_engine.catalog_sheet": "draw",
}


@pytest.mark.parametrize(("path", "name"), FORMER.items())
def test_a_former_module_path_gives_the_module_of_today_and_says_where_it_is(path: str, name: str):
    sys.modules.pop(path, None)
    with pytest.warns(DeprecationWarning, match="is now") as warned:
        module = importlib.import_module(path)
    place = str(warned[0].message).split(" is now ")[1]
    assert module is importlib.import_module(place) and hasattr(module, name)
    assert module.__spec__ is not None and module.__spec__.name == module.__name__ == place


def test_dir_names_everything_that_is_public_and_all_of_it_is_there():
    assert set(relational_iqa.__all__) <= set(dir(relational_iqa))
    assert all(getattr(relational_iqa, name) is not None for name in relational_iqa.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        relational_iqa.no_such_name  # noqa: B018


def test_the_front_door_opens_without_torch():
    code = "import relational_iqa, relational_iqa.cli, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
