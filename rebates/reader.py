"""Program files: TOML into a Program, or every problem at once with its line and a way out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any

from rebates import assemble, toml_text
from rebates.caps import PRORATED
from rebates.conditions import FORMS, SIDES, Condition, Filter, Side
from rebates.keys import SECTIONS, Key, names
from rebates.money import parse_number, parse_rate
from rebates.positions import key_places, place_of
from rebates.problems import InvalidProgram, Path, Problem, did_you_mean, nearest, problem
from rebates.program import Program
from rebates.two_readings import could_be_thousands, measured, refused
from rebates.written import ONE_BOUNDARY, RANGE_KEYS, number_hint, toml_hint, whole_hint

Table = Mapping[str, Any]
_WHOLE = re.compile(r"[0-9]{1,18}")
_TOML_PLACE = re.compile(r"\(at line (\d+), column (\d+)\)")


def read_program(path: str | FilePath) -> Program:
    """The program in a file. `InvalidProgram` with all problems; `OSError` when it cannot be read."""
    file = FilePath(path)
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text (byte {error.start})"
        raise InvalidProgram(file.name, [Problem("", message, "save it as UTF-8", str(path))]) from None
    return parse_program(text, str(path))


def parse_program(text: str, name: str = "program") -> Program:
    """The program in a TOML text; `name` is what problems call it."""
    try:
        raw = toml_text.read(text)
    except toml_text.NotToml as error:
        match = _TOML_PLACE.search(str(error))
        place = (int(match[1]), int(match[2])) if match else (None, None)
        message = _TOML_PLACE.sub("", str(error)).strip()
        hint = toml_hint(text, message)
        raise InvalidProgram(
            name, [Problem("", f"not valid TOML: {message}", hint, name, place[0], place[1], code="toml")]
        ) from None
    reader = Reader()
    values = reader.section(raw, "program", ())
    reader.refuse_percent_of_nothing(values)
    reader.problems += refused(reader.amounts, values)
    problems = reader.problems
    program = None
    try:
        program = assemble.program(values, reader.problems, Program)
    except InvalidProgram as error:
        seen = {entry.path for entry in problems}
        if seen & {("starts",), ("ends",)}:  # how long it runs follows from both
            seen |= {("starts",), ("ends",)}
        # What follows only from a value that could not be read is no second problem.
        problems = problems + [
            entry for entry in error.problems if not any(_inside(path, entry.path) for path in seen)
        ]
    if problems or program is None:
        raise InvalidProgram(name, _placed(problems, text, name, reader.renamed))
    return program


def _inside(path: Path, other: Path) -> bool:
    """Whether a problem at `other` may only follow from one at `path`: the same key, or the table around it."""
    return bool(other) and other in (path, path[:-1])


def _placed(problems: Iterable[Problem], text: str, name: str, renamed: Mapping[Path, Path]) -> list[Problem]:
    places = key_places(text)
    out = []
    for entry in problems:
        path = entry.path
        for meant, written in renamed.items():
            if path[: len(meant)] == meant:
                path = (*written, *path[len(meant) :])
        place = place_of(path, places) or (1, 1)  # a key that is missing altogether
        out.append(replace(entry, file=name, line=place[0], column=place[1]))
    return sorted(out, key=lambda entry: (entry.line or 0, entry.column or 0))


class Reader:
    """Reads tables by their keys; notes what is wrong and goes on."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.percents: list[Path] = []  # thresholds written as a percentage
        self.amounts: list[tuple[Path, str]] = []  # that could be thousands
        self.renamed: dict[Path, Path] = {}  # what a misspelt key means → as it is written

    def section(self, table: Table, section: str, path: Path) -> dict[str, Any]:
        """The known keys of a table, read; unknown and missing ones are noted."""
        known = {key.name: key for key in SECTIONS[section]}
        out: dict[str, Any] = {}
        given = set(table)
        for name, raw in table.items():
            key, at = known.get(name), (*path, name)
            if key is None:
                key = self._meant(name, known, given, section, path)
                if key is None:
                    continue
                given.add(key.name)
            value = self.value(key, raw, at)
            if value is not None:
                out[key.name] = value
        for key in known.values():
            if key.required and key.name not in given:
                ranged = ONE_BOUNDARY if key.name == "threshold" and given & {*RANGE_KEYS, "from"} else None
                self.note((*path, key.name), f"{key.name} is missing", ranged or key.doc, "missing-key")
        return out

    def _meant(
        self, name: str, known: Mapping[str, Key], given: Iterable[str], section: str, path: Path
    ) -> Key | None:
        """Notes an unknown key; where it is a misspelt one, that one, so that what it holds is checked in the same go."""
        near = nearest(name, list(known), tenths=8)
        hint = did_you_mean(name, list(known)) or f"keys here: {', '.join(names(section))}"
        if section == "tier" and name in RANGE_KEYS:
            near, hint = None, ONE_BOUNDARY
        self.note((*path, name), f"unknown key {name!r}", hint, "unknown-key")
        if near is None or near in given:
            return None
        self.renamed[(*path, near)] = (*path, name)
        return known[near]

    def note(self, path: Path, message: str, hint: str | None = None, code: str = "invalid") -> None:
        self.problems.append(problem(path, message, hint, code))

    def value(self, key: Key, raw: object, path: Path) -> Any:
        """One value by its kind; None when it could not be read (and was noted)."""
        reader = getattr(self, f"_{key.kind}")
        return reader(key, raw, path)

    def _text(self, key: Key, raw: object, path: Path) -> str | None:
        if isinstance(raw, str) and raw.strip():
            return raw
        self.note(path, f"{raw!r} is not a text", f'{key.name} = "…"')
        return None

    def _number(self, raw: object, path: Path, *, rate: bool = False) -> Decimal | None:
        if isinstance(raw, float):
            self.note(
                path,
                f"{raw!r} is a floating-point number, which cannot hold money exactly",
                f'put it in quotes: "{raw}"',
                "float",
            )
            return None
        try:
            return parse_rate(raw) if rate else parse_number(raw)
        except ValueError as error:
            percent = rate and (path[-1] == "rate" or (isinstance(raw, str) and "%" in raw))
            self.note(path, str(error), number_hint(raw, percent=percent))
            return None

    def refuse_percent_of_nothing(self, values: Mapping[str, Any]) -> None:
        """A threshold in percent needs a ratio (growth, attainment, mix) to be a percentage of."""
        for path in self.percents:
            of = measured(values, path)
            if of in ("amount", "quantity", "categories"):
                message = f"a percentage, but the qualifier is {'a number of categories' if of == 'categories' else 'an ' + of if of == 'amount' else 'a ' + of}"
                self.note(path, message, "write the amount itself, or choose growth, attainment or mix")

    def _money(self, key: Key, raw: object, path: Path) -> Decimal | None:
        if isinstance(raw, str) and raw.strip().endswith("%"):
            self.note(path, f"{raw!r} is a percentage, but {key.name} is an amount", 'use rate for "15%"')
            return None
        return self._amount(raw, path)

    def _amount(self, raw: object, path: Path, *, rate: bool = False) -> Decimal | None:
        """A number that is no rate; one that two habits read differently is looked at when all is read."""
        if could_be_thousands(raw):
            self.amounts.append((path, str(raw)))
        return self._number(raw, path, rate=rate)

    def _rate(self, key: Key, raw: object, path: Path) -> Decimal | None:
        return self._number(raw, path, rate=True)

    def _threshold(self, key: Key, raw: object, path: Path) -> Any:
        if isinstance(raw, str) and raw.strip().endswith("%"):
            self.percents.append(path)
        if isinstance(raw, Mapping):
            self.percents += [
                (*path, name)
                for name, one in raw.items()
                if isinstance(one, str) and one.strip().endswith("%")
            ]
            return {
                name: value
                for name, one in raw.items()
                if (value := self._amount(one, (*path, name), rate=True)) is not None
            }
        return self._amount(raw, path, rate=True)

    def _end(self, key: Key, raw: object, path: Path) -> tuple[Decimal, str] | None:
        """An end of a linear benefit with its kind: percent text is a rate."""
        value = self._number(raw, path, rate=True)
        kind = "rate" if isinstance(raw, str) and raw.strip().endswith("%") else "amount"
        return None if value is None else (value, kind)

    def _within(self, key: Key, raw: object, path: Path) -> tuple[Decimal, str] | None:
        return self._end(key, raw, path)

    def _choice(self, key: Key, raw: object, path: Path) -> str | None:
        if isinstance(raw, str) and raw in key.choices:
            return raw
        hint = (
            did_you_mean(raw, key.choices) if isinstance(raw, str) else None
        ) or f"one of {', '.join(key.choices)}"
        if key.name == "qualifier" and raw in ("categories", "mix"):
            hint = f'write it as [[qualifiers]] with of = "{raw}"'
        wrong = f"{raw!r} is not a {key.name.replace('_', ' ')}"
        if key.choices == PRORATED and raw == "baseline":
            wrong = "a baseline shrinks by no [proration]"
            hint = 'new_members = "prorate" in [growth] shortens it for who joined; write it for one period'
        self.note(path, wrong, hint)
        return None

    def _choices(self, key: Key, raw: object, path: Path) -> tuple[str, ...]:
        return tuple(v for one in self._list(raw) if (v := self._choice(key, one, path)) is not None)

    def _period(self, key: Key, raw: object, path: Path) -> str | None:
        return self._text(key, raw, path)

    def _date(self, key: Key, raw: object, path: Path) -> date | None:
        if isinstance(raw, datetime):
            self.note(path, f"{raw} is a moment, but {key.name} is a day", f"{key.name} = {raw:%Y-%m-%d}")
            return None
        if isinstance(raw, str):
            try:
                return date.fromisoformat(raw)
            except ValueError:
                raw = repr(raw)
        if isinstance(raw, date):
            return raw
        self.note(path, f"{raw} is not a day", f"{key.name} = 2026-01-31, without quotes")
        return None

    def _whole(self, key: Key, raw: object, path: Path) -> int | None:
        if isinstance(raw, int) and not isinstance(raw, bool):
            return raw
        if isinstance(raw, str) and _WHOLE.fullmatch(raw.strip()):
            return int(raw)
        self.note(path, f"{raw!r} is not a whole number", whole_hint(key.name, raw))
        return None

    def _wholes(self, key: Key, raw: object, path: Path) -> tuple[int, ...]:
        return tuple(v for one in self._list(raw) if (v := self._whole(key, one, path)) is not None)

    def _bool(self, key: Key, raw: object, path: Path) -> bool | None:
        if isinstance(raw, bool):
            return raw
        self.note(path, f"{raw!r} is neither true nor false", f"{key.name} = true")
        return None

    def _texts(self, key: Key, raw: object, path: Path) -> tuple[str, ...]:
        return tuple(v for one in self._list(raw) if (v := self._text(key, one, path)) is not None)

    def _list(self, raw: object) -> list[object]:
        return list(raw) if isinstance(raw, list) else [raw]

    def _table(self, key: Key, raw: object, path: Path) -> dict[str, Any] | None:
        if isinstance(raw, Mapping):
            return self.section(raw, key.of, path)
        self.note(path, f"{raw!r} is not a table", f"[{key.name}]")
        return None

    def _tables(self, key: Key, raw: object, path: Path) -> Any:
        if isinstance(raw, list) and all(isinstance(one, Mapping) for one in raw):
            return [self.section(one, key.of, (*path, n)) for n, one in enumerate(raw)]
        if isinstance(raw, Mapping) and path[0] == "market":  # changes of single tiers, by name
            return {
                name: self._changes(one, (*path, name))
                for name, one in raw.items()
                if isinstance(one, Mapping)
            }
        self.note(path, f"{key.name} is not a list of tables", f"[[{key.name}]]")
        return None

    def _changes(self, table: Table, path: Path) -> dict[str, Any]:
        before = len(self.problems)
        changes = self.section(table, "tier", path)
        self.problems[before:] = [entry for entry in self.problems[before:] if entry.code != "missing-key"]
        return changes

    def _named(self, key: Key, raw: object, path: Path) -> dict[str, dict[str, Any]]:
        if not isinstance(raw, Mapping) or not all(isinstance(one, Mapping) for one in raw.values()):
            self.note(path, f"{key.name} needs a name", f"[{key.name}.emea]")
            return {}
        return {name: self.section(one, key.of, (*path, name)) for name, one in raw.items()}

    def _amounts(self, key: Key, raw: object, path: Path) -> dict[str, Decimal]:
        if not isinstance(raw, Mapping):
            self.note(path, f"{raw!r} is not a table", f"[{'.'.join(map(str, path))}]")
            return {}
        number = self._number if key.name == "rates" else self._amount
        return {name: value for name, one in raw.items() if (value := number(one, (*path, name))) is not None}

    def _accounts(self, key: Key, raw: object, path: Path) -> dict[str, str]:
        if not isinstance(raw, Mapping):
            self.note(path, f"{raw!r} is not a table", f"[{'.'.join(map(str, path))}]")
            return {}
        return {
            name: value
            for name, one in raw.items()
            if (value := self._text(key, one, (*path, name))) is not None
        }

    def _baseline(self, key: Key, raw: object, path: Path) -> Any:
        """A policy by name, one amount for everybody, or amounts per account."""
        if isinstance(raw, Mapping):
            return self._amounts(key, raw, path)
        if isinstance(raw, str) and not any(character.isdigit() for character in raw):
            return self._choice(key, raw, path)
        return self._amount(raw, path)

    def _stacking(self, key: Key, raw: object, path: Path) -> dict[str, Any] | None:
        if isinstance(raw, str):
            mode = SECTIONS["stacking"][0]
            chosen = self._choice(mode, raw, path)
            return None if chosen is None else {"mode": chosen}
        return self._table(key, raw, path)

    def _filter(self, key: Key, raw: object, path: Path) -> Filter | None:
        if not isinstance(raw, Mapping):
            self.note(path, f"{raw!r} is not a table", f"[{key.name}]")
            return None
        accounts_only = key.name in ("members", "when")
        conditions: list[Condition] = []
        for name, value in raw.items():
            if accounts_only and name == "account" and isinstance(value, Mapping):
                conditions += self._side("account", value, (*path, name))
            elif accounts_only:
                conditions += self._side("account", {name: value}, path)
            elif name in SIDES and isinstance(value, Mapping):
                conditions += self._side(name, value, (*path, name))
            else:
                hint = (
                    did_you_mean(name, SIDES)
                    or f"say whose field it is: product.{name}, order.{name}, account.{name} or line.{name}"
                )
                self.note((*path, name), f"{name!r} is not a side of a line", hint, "unknown-key")
        return Filter(tuple(conditions))

    def _side(self, side: Side, table: Table, path: Path) -> list[Condition]:
        conditions = []
        for name, raw in table.items():
            field = "id" if name == "ids" else name
            at = (*path, name)
            if not isinstance(raw, Mapping):
                conditions.append(Condition(side, field, one_of=self._plain(raw, at)))
                continue
            forms = dict(raw)
            for form in [form for form in forms if form not in FORMS]:
                self.note(
                    (*at, form),
                    f"{form!r} is not a test",
                    did_you_mean(form, FORMS) or f"tests: {', '.join(FORMS)}",
                    "unknown-key",
                )
                del forms[form]
            conditions.append(self._condition(side, field, forms, at))
        return conditions

    def _condition(self, side: Side, field: str, forms: dict[str, Any], path: Path) -> Condition:
        values: dict[str, Any] = {"one_of": self._plain(forms["in"], path)} if "in" in forms else {}
        for form in ("not_in", "prefix", "under"):
            if form in forms:
                values[form] = self._plain(forms[form], (*path, form))
        for form in ("at_least", "at_most", "above", "below"):
            if form in forms:
                values[form] = (self._plain(forms[form], (*path, form)) or ("",))[0]
        if "present" in forms:
            values["present"] = bool(forms["present"])
        return Condition(side, field, **values)

    def _plain(self, raw: object, path: Path) -> tuple[str, ...]:
        out = []
        for one in self._list(raw):
            if isinstance(one, bool):
                out.append("true" if one else "false")
            elif isinstance(one, str | int | date):
                out.append(str(one))
            else:
                self.note(path, f"{one!r} cannot be compared with a field", 'a text in quotes, as in "EMEA"')
        if not out:
            self.note(
                path, "an empty list lets nothing through", "leave the key out to let everything through"
            )
        return tuple(out)
