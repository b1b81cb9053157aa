"""What an admin writes beside the configuration, and names in it: a mapping and programs of one's own."""

from __future__ import annotations

import re


def use_mapping(world, text):
    (world.folder / "mapping.toml").write_text(text)
    _name(world, "mapping", "mapping.toml")


def use_programs(world, **texts):
    """Nothing but these programs is paid, and those that were given before; returns the folder of their files."""
    folder = world.folder / "own"
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.toml").write_text(text)
    _name(world, "programs", folder.as_posix())
    return folder


def _name(world, key, value):
    path = world.folder / "rebates.toml"
    text, count = re.subn(rf"(?m)^{key} = .*$", f'{key} = "{value}"', path.read_text())
    assert count == 1, f"{path} has {count} lines of {key}"
    path.write_text(text)
