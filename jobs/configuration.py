"""Finds, merges and checks the configuration: flag > environment > project file > user file > default.

Each value remembers where it came from, for `rebates config show --origin` and for error messages.
"""

from __future__ import annotations

import difflib
import os
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from connector.config import OrgSettings
from jobs.schedule_check import schedule_problems
from jobs.settings import Settings
from jobs.whose_file import stranger
from rebates import toml_text
from state.paths_in_urls import in_a_url

FILE_NAME = "rebates.toml"


@dataclass(frozen=True)
class ConfigProblem:
    """One thing wrong with the configuration: where (file or variable), which key, what, and what to do."""

    origin: str
    key: str
    problem: str
    suggestion: str | None = None

    def __str__(self) -> str:
        hint = f" ({self.suggestion})" if self.suggestion else ""
        return (
            f"{self.origin}: {self.key}: {self.problem}{hint}"
            if self.key
            else f"{self.origin}: {self.problem}{hint}"
        )


class InvalidConfiguration(Exception):
    """The configuration cannot be used; all its problems at once."""

    def __init__(self, problems: list[ConfigProblem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


@dataclass(frozen=True)
class Configuration:
    """The settings in force, the origin of every value given, and the folder that relative paths start from."""

    settings: Settings
    origins: Mapping[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = ()

    def org(self, alias: str | None = None) -> OrgSettings:
        """The org named, or the only one, or the default; says which there are otherwise."""
        orgs = self.settings.org
        name = alias or self.settings.default_org or (next(iter(orgs)) if len(orgs) == 1 else None)
        if name is None and not self.files:
            start = "`rebates init` writes one to start from"
            raise InvalidConfiguration(
                [ConfigProblem(FILE_NAME, "", "there is none here or in a folder above", start)]
            )
        if name is None:
            choice = (
                f"it has {', '.join(sorted(orgs))}: choose one with --org"
                if orgs
                else "it has no [org.…] table"
            )
            raise InvalidConfiguration([ConfigProblem(self._named(), "org", choice)])
        if name not in orgs:
            raise InvalidConfiguration(
                [ConfigProblem(self._named(), f"org.{name}", "there is no such org", suggest(name, orgs))]
            )
        return orgs[name]

    def alias(self, alias: str | None = None) -> str:
        chosen = self.org(alias)
        return next(name for name, org in self.settings.org.items() if org is chosen)

    def _named(self) -> str:
        return str(self.files[-1]) if self.files else "no rebates.toml here or above"


def suggest(word: str, known: Mapping[str, Any] | typing.Iterable[str]) -> str | None:
    """`did you mean "x"?` when one is close."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else None


def load_configuration(
    *,
    explicit: Path | None = None,
    start: Path,
    environment: Mapping[str, str] = os.environ,
    flags: Mapping[str, Any] | None = None,
) -> Configuration:
    """Read and merge every source. `flags` are dotted keys, e.g. `{"state.url": "sqlite:///x.db"}`.

    Relative paths in a file are taken from that file's folder; in flags and variables from `start`.
    """
    values: dict[str, tuple[Any, str]] = {}
    files: list[Path] = []
    for path in _files(explicit, start, environment):
        files.append(path)
        for key, value in _flatten(_read(path)):
            values[key] = (_relative_to(key, value, path.parent), str(path))
    for key, value, variable in _from_environment(environment, values):
        values[key] = (_relative_to(key, value, start), variable)
    for key, value in (flags or {}).items():
        if value is not None:
            values[key] = (_relative_to(key, str(value), start), "command line")
    problems = list(_unknown_keys(values))
    if problems:
        raise InvalidConfiguration(problems)
    tree: dict[str, Any] = {}
    for key, (value, _) in values.items():
        branch = tree
        *parents, leaf = key.split(".")
        for name in parents:
            branch = branch.setdefault(name, {})
        branch[leaf] = value
    for alias, org in tree.get("org", {}).items():
        if isinstance(org, dict):
            org.setdefault("alias", alias)
    try:
        settings = Settings.model_validate(tree)
    except ValidationError as error:
        raise InvalidConfiguration(list(_problems(error, values, files))) from error
    if wrong := list(schedule_problems(settings.schedule)):
        raise InvalidConfiguration(
            [
                ConfigProblem(_origin(f"schedule.{key}", values, files), f"schedule.{key}", why, allowed)
                for key, why, allowed in wrong
            ]
        )
    return Configuration(settings, {key: origin for key, (_, origin) in values.items()}, tuple(files))


def _files(explicit: Path | None, start: Path, environment: Mapping[str, str]) -> Iterator[Path]:
    """User file first, project file last: the later wins."""
    home = environment.get("XDG_CONFIG_HOME") or (
        str(Path(environment["HOME"]) / ".config") if environment.get("HOME") else None
    )
    if home and (user := Path(home) / "rebates" / FILE_NAME).is_file():
        yield user
    named = explicit or (Path(environment["REBATES_CONFIG"]) if environment.get("REBATES_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise InvalidConfiguration(
                [
                    ConfigProblem(
                        str(named), "", "there is no such file", "`rebates init` writes one to start from"
                    )
                ]
            )
        yield named.resolve()
        return
    for folder in (start, *start.parents):
        if (found := folder / FILE_NAME).is_file():
            _require_ours(found, environment)
            yield found.resolve()
            return


def _require_ours(found: Path, environment: Mapping[str, str]) -> None:
    """Raises unless a file that was only found is ours or root's: it says which proxy and certificates a login goes through."""
    if owner := stranger(found, environment):
        raise InvalidConfiguration(
            [
                ConfigProblem(
                    str(found), "", f"was found here or above, and belongs to {owner}",
                    f"where you trust it, name it: --config {found} or REBATES_CONFIG; else work in another folder",
                )
            ]
        )  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    try:
        return toml_text.read(path.read_text(encoding="utf-8"))
    except (toml_text.NotToml, UnicodeDecodeError) as error:
        raise InvalidConfiguration(
            [ConfigProblem(str(path), "", f"is not readable TOML: {error}")]
        ) from error
    except OSError as error:
        raise InvalidConfiguration(
            [ConfigProblem(str(path), "", f"cannot be read: {error.strerror}")]
        ) from error


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _sections(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key that exists, with its annotation; `org.*.key` stands for any alias."""
    for name, info in model.model_fields.items():
        annotation = _model_in(info.annotation)
        if name == "org" and model is Settings:
            yield from _sections(OrgSettings, "org.*.")
        elif annotation is not None:
            yield from _sections(annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", info.annotation


def _model_in(annotation: Any) -> type[BaseModel] | None:
    options = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    return next((a for a in options if isinstance(a, type) and issubclass(a, BaseModel)), None)


def _generic(key: str) -> str:
    parts = key.split(".")
    return ".".join(["org", "*", *parts[2:]]) if parts[0] == "org" and len(parts) > 2 else key


def _unknown_keys(values: Mapping[str, tuple[Any, str]]) -> Iterator[ConfigProblem]:
    known = {key for key, _ in _sections()}
    for key, (_, origin) in values.items():
        generic = _generic(key)
        if generic not in known:
            close = difflib.get_close_matches(generic, known, n=1, cutoff=0.6)
            alias = key.split(".")[1] if generic.startswith("org.*.") else ""
            hint = f'did you mean "{close[0].replace("*", alias)}"?' if close else None
            yield ConfigProblem(origin, key, "there is no such setting", hint)


def _from_environment(
    environment: Mapping[str, str], values: Mapping[str, tuple[Any, str]]
) -> Iterator[tuple[str, Any, str]]:
    """`REBATES_STATE_URL`, `REBATES_ORG_MAIN_CLIENT_ID`, … ; `REBATES_ORG` chooses the default org."""
    names = {"REBATES_ORG": "default_org"}
    aliases = {key.split(".")[1] for key in values if key.startswith("org.")}
    for key, _ in _sections():
        if key.startswith("org.*."):
            for alias in aliases:
                real = key.replace("*", alias)
                names["REBATES_" + real.replace(".", "_").upper()] = real
        else:
            names["REBATES_" + key.replace(".", "_").upper()] = key
    for variable, key in names.items():
        if environment.get(variable):
            text = environment[variable]
            listed = key in ("push.targets", "engine.spark_options")
            yield key, [part.strip() for part in text.split(",")] if listed else text, variable


def _relative_to(key: str, value: Any, folder: Path) -> Any:
    """Paths are relative to where they were written down."""
    if not isinstance(value, str):
        return value
    if key in ("programs", "engine.snapshot") or (key == "mapping" and value != "standard"):
        return str(folder / value)
    if key == "state.url" and value.startswith("sqlite:///") and value != "sqlite:///:memory:":
        return "sqlite:///" + str(Path(in_a_url(str(folder))) / value.removeprefix("sqlite:///"))
    if key.startswith("org.") and value.startswith("file:"):
        return "file:" + str(folder / value.removeprefix("file:"))
    if key.startswith("org.") and key.endswith(".ca_file"):
        return str(folder / Path(value).expanduser())
    return value


def _problems(
    error: ValidationError, values: Mapping[str, tuple[Any, str]], files: list[Path]
) -> Iterator[ConfigProblem]:
    for item in error.errors(include_url=False, include_input=False):
        key = ".".join(str(part) for part in item["loc"])
        yield ConfigProblem(_origin(key, values, files), key, item["msg"].removeprefix("Value error, "))


def _origin(key: str, values: Mapping[str, tuple[Any, str]], files: list[Path]) -> str:
    """Where a setting, or one inside its table, was given."""
    origin = next((o for k, (_, o) in values.items() if k == key or k.startswith(key + ".")), None)
    return origin or (str(files[-1]) if files else "configuration")
