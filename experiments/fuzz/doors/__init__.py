"""The doors by which data of others enters, one a module. A new door is a module here and a name in the list below."""

from experiments.fuzz.door import Door
from experiments.fuzz.doors import arguments, configs, images, indexes, manifests, runs, tables, web, weights

_MODULES = (images, weights, configs, indexes, manifests, runs, tables, arguments, web)
DOORS: dict[str, Door] = {module.DOOR.name: module.DOOR for module in _MODULES}
