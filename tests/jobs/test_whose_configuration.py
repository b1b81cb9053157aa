"""A configuration that somebody else left in a shared folder is not followed: it says where a login goes through."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobs import person
from jobs.configuration import InvalidConfiguration, load_configuration

MIA, BOB, ROOT = 4_000_000_001, 4_000_000_002, 0


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """Mia works in a folder below one where a file lies; who owns it is said by `of`."""
    file = tmp_path / "rebates.toml"
    file.write_text('[state]\nurl = "sqlite:///theirs.db"\n')
    (tmp_path / "work").mkdir()
    owners: dict[str, int] = {}
    really = Path.stat

    def stat(path, *, follow_symlinks=True):
        found = really(path, follow_symlinks=follow_symlinks)
        whose = str(path) if not follow_symlinks else os.path.realpath(path)
        return os.stat_result((*found[:4], owners.get(whose, found.st_uid), *found[5:10]))

    def be(uid: int, of: int, link: int | None = None) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        owners[str(file.resolve())] = of
        if link is not None:
            owners[str(tmp_path / "work" / "rebates.toml")] = link

    monkeypatch.setattr(Path, "stat", stat)
    return tmp_path, be


def load(folder, **environment):
    return load_configuration(start=folder / "work", environment=environment)


@pytest.mark.parametrize("start", ["work", "."])
def test_a_file_of_somebody_else_is_refused_with_its_owner_and_the_way_to_trust_it(shared, start):
    folder, be = shared
    be(MIA, of=BOB)
    with pytest.raises(InvalidConfiguration) as caught:
        load_configuration(start=folder / start, environment={})
    (problem,) = caught.value.problems
    assert problem.origin == str(folder / "rebates.toml")
    assert problem.problem == "was found here or above, and belongs to uid 4000000002"
    assert f"--config {folder}/rebates.toml" in str(problem.suggestion)


def test_a_file_that_is_named_is_followed_whoever_owns_it(shared):
    folder, be = shared
    be(MIA, of=BOB)
    file = folder / "rebates.toml"
    assert load_configuration(explicit=file, start=folder / "work", environment={}).files == (file.resolve(),)
    assert load(folder, REBATES_CONFIG=str(file)).files == (file.resolve(),)


@pytest.mark.parametrize("owner", [MIA, ROOT])
def test_a_file_of_ours_or_of_root_is_followed(shared, owner):
    folder, be = shared
    be(MIA, of=owner)
    assert load(folder).files == ((folder / "rebates.toml").resolve(),)


def test_root_follows_the_file_of_whoever_called_sudo_and_of_nobody_else(shared):
    folder, be = shared
    be(ROOT, of=MIA)
    assert load(folder, SUDO_UID=str(MIA)).files
    for environment in ({}, {"SUDO_UID": str(BOB)}, {"SUDO_UID": "²"}):
        with pytest.raises(InvalidConfiguration, match="belongs to uid 4000000001"):
            load(folder, **environment)
    be(BOB, of=MIA)
    with pytest.raises(InvalidConfiguration, match="belongs to"):
        load(folder, SUDO_UID=str(MIA))  # anybody can set a variable


def test_a_link_of_somebody_else_to_a_file_of_ours_is_refused(shared):
    folder, be = shared
    (folder / "work" / "rebates.toml").symlink_to(folder / "rebates.toml")
    be(MIA, of=MIA, link=BOB)
    with pytest.raises(InvalidConfiguration, match="belongs to uid 4000000002"):
        load(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_that_was_really_given_away_is_seen_as_such(tmp_path):
    file = tmp_path / "rebates.toml"
    file.write_text('[logging]\nlevel = "error"\n')
    os.chown(file, BOB, BOB)
    with pytest.raises(InvalidConfiguration, match=person.name_of(BOB)):
        load_configuration(start=tmp_path, environment={})
