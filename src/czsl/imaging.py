"""The images of a catalogue, decoded once into its store."""

from __future__ import annotations

from collections.abc import Callable

from czsl.catalogue import Catalogue
from czsl.errors import ConfigError
from czsl.images.build import build_store, store_folder
from czsl.images.source import open_source
from czsl.images.store import ImageStore


def open_images(
    catalogue: Catalogue,
    *,
    processes: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImageStore:
    """Decode the images of a catalogue that are not in its store yet, and open the store.

    Parameters
    ----------
    catalogue
        The objects.
    processes
        How many processes decode; by default one for each processor.
    progress
        Called with the images done and those to do.

    Raises
    ------
    ConfigError
        Where the configuration names no images.
    ImageError
        Where the images cannot be used as a whole.
    WriteError
        Where the store cannot be written.
    """
    config = catalogue.config
    pattern = config.catalogue.images
    if pattern is None:
        raise ConfigError(
            "[catalogue] images: is missing; say where an object's image is, "
            f'for example images = "images/{{{config.catalogue.id}}}.jpg"'
        )
    source = open_source(
        pattern,
        folder=config.folder,
        roots=config.catalogue.roots,
        table=config.table,
        id_column=config.catalogue.id,
    )
    return build_store(
        store_folder(config.folder, pattern, config.images),
        catalogue.ids.tolist(),
        catalogue.images.tolist(),
        settings=config.images,
        source=source,
        rows=catalogue.rows,
        processes=processes,
        progress=progress,
    )
