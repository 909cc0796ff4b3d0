"""The doors by which data of others enters, one a module. A new door is a module here and a line below."""

from experiments.fuzz.door import Door
from experiments.fuzz.doors import arguments, configs, images, indexes, manifests, tables, web, weights

DOORS: dict[str, Door] = {
    door.name: door
    for door in (
        images.DOOR, weights.DOOR, configs.DOOR, indexes.DOOR, manifests.DOOR, tables.DOOR, arguments.DOOR, web.DOOR,
    )
}  # fmt: skip
