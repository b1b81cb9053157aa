"""Lightning components: what a template, a script and a style sheet say of each other, of labels and of fields.

The real compiler, lint and tests need Node.js (`salesforce/check.sh`). This finds by reading what would stop a
deploy or leave a hole on the page, without it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from .model import Package
from .nodes import Node, NotWellFormed, Problem, parse, suggestion

_TARGETS = {"lightning__AppPage", "lightning__HomePage", "lightning__RecordPage"}
_BASE_COMPONENTS = {"lightning-button", "lightning-card", "lightning-combobox", "lightning-icon"}
_PLATFORM_MODULES = {
    "@salesforce/i18n/locale",
    "@salesforce/i18n/timeZone",
    "lightning/navigation",
    "lightning/uiGraphQLApi",
    "lightning/uiRelatedListApi",
    "lwc",
}
# element of targetConfig → what stands in it
_DESIGN = {"property": "", "objects": "object", "supportedFormFactors": "supportedFormFactor"}
_DESIGN_ATTRIBUTES = {"name", "type", "default", "min", "max", "label", "description", "required"}
_PAIRS = {")": "(", "]": "[", "}": "{"}
_SCRIPT_TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`"""
    r"""|(?<=[(,=:!&|?{};\[])\s*/(?![*/])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\]|\\.)*\])+/[a-z]*|[()\[\]{}]""",
    re.S,
)


@dataclass
class Bundle:
    """One component folder."""

    name: str
    files: dict[str, str]

    @property
    def script(self) -> str:
        return self.files.get(f"{self.name}.js", "")

    @property
    def template(self) -> str | None:
        return self.files.get(f"{self.name}.html")

    @cached_property
    def meta(self) -> Node | None:
        try:
            return parse(self.files[f"{self.name}.js-meta.xml"])
        except (KeyError, NotWellFormed):
            return None  # reported as a missing or malformed file

    @cached_property
    def targets(self) -> set[str]:
        return {item.text for item in self.meta.all("targets/target")} if self.meta else set()

    def _configs(self, target: str) -> list[Node]:
        configs = self.meta.all("targetConfigs/targetConfig") if self.meta else []
        return [c for c in configs if target in c.attributes.get("targets", "").split(",")]

    def properties(self, target: str) -> dict[str, dict[str, str]]:
        """What an admin may set on that kind of page: name → attributes."""
        return {
            p.attributes.get("name", ""): p.attributes
            for c in self._configs(target)
            for p in c.all("property")
        }

    def objects(self, target: str) -> set[str]:
        return {item.text for config in self._configs(target) for item in config.all("objects/object")}

    @cached_property
    def api(self) -> set[str]:
        return set(re.findall(r"@api\s+(?:get\s+|set\s+)?(\w+)", self.script))

    @cached_property
    def members(self) -> set[str]:
        pattern = r"^    (?:@\w+(?:\([^()]*\))?\s+)?(?:get\s+|set\s+|async\s+)?(\w+)\s*[(=;]"
        return set(re.findall(pattern, self.script, re.M)) | self.api

    @cached_property
    def exports(self) -> set[str]:
        return set(re.findall(r"^export (?:async )?(?:function|const|class) (\w+)", self.script, re.M))


def bundles(package: Package) -> dict[str, Bundle]:
    return {name: Bundle(name, files) for name, files in package.components.items()}


def problems(package: Package) -> Iterator[Problem]:
    known = bundles(package)
    for bundle in known.values():
        yield from _files(bundle)
        yield from _meta(bundle)
        yield from _script(package, bundle, known)
        yield from _template(bundle, known)
        yield from _styles(bundle)
    yield from _labels(package, known)


def _files(bundle: Bundle) -> Iterator[Problem]:
    needed = [f"{bundle.name}.js", f"{bundle.name}.js-meta.xml"]
    if "extends" in bundle.script:
        needed.append(f"{bundle.name}.html")
    for name in needed:
        if name not in bundle.files:
            yield Problem(f"lwc/{bundle.name}/{name}", 0, "is missing")
    for name in sorted(bundle.files):
        if not name.startswith(f"{bundle.name}."):
            yield Problem(f"lwc/{bundle.name}/{name}", 0, f"is not named after the component, {bundle.name}")


def _meta(bundle: Bundle) -> Iterator[Problem]:
    file, meta = f"lwc/{bundle.name}/{bundle.name}.js-meta.xml", bundle.meta
    if meta is None:
        return
    if not re.fullmatch(r"\d{2,3}\.0", meta.one("apiVersion") or ""):
        yield Problem(file, meta.line_of("apiVersion"), "needs an <apiVersion> such as 62.0")
    if (meta.one("isExposed") == "true") != bool(bundle.targets):
        yield Problem(file, meta.line_of("isExposed"), "an exposed component has targets, another has none")
    for item in meta.all("targets/target"):
        if item.text not in _TARGETS:
            yield Problem(file, item.line, f"unknown target {item.text}{suggestion(item.text, _TARGETS)}")
    for group in meta.all("targetConfigs"):
        for config in group.children:
            if config.tag != "targetConfig":
                yield Problem(file, config.line, f"<{config.tag}> is not an element of targetConfigs")
            for target in config.attributes.get("targets", "").split(","):
                if target not in bundle.targets:
                    yield Problem(file, config.line, f"configures {target}, which is no target of it")
            for item in config.children:
                if item.tag not in _DESIGN:
                    yield Problem(file, item.line, f"<{item.tag}> is not an element of targetConfig")
                for inner in item.children:
                    if inner.tag != _DESIGN.get(item.tag, inner.tag):
                        yield Problem(file, inner.line, f"<{inner.tag}> is not an element of {item.tag}")
            for item in config.all("property"):
                name = item.attributes.get("name", "")
                if name not in bundle.api:
                    yield Problem(
                        file, item.line, f"{name} is no @api property{suggestion(name, bundle.api)}"
                    )
                for attribute in set(item.attributes) - _DESIGN_ATTRIBUTES:
                    yield Problem(file, item.line, f"a property has no attribute {attribute}")


def _script(package: Package, bundle: Bundle, known: dict[str, Bundle]) -> Iterator[Problem]:
    file, script = f"lwc/{bundle.name}/{bundle.name}.js", bundle.script

    def line(match: re.Match[str]) -> int:
        return script.count("\n", 0, match.start()) + 1

    yield from _balanced(file, script)
    words = Counter(re.findall(r"\w+", script))
    for match in re.finditer(r'^import (.+?) from "([^"]+)";$', script, re.M):
        names, module = re.findall(r"\w+", match[1]), match[2]
        for name in names:
            if words[name] < 2:
                yield Problem(file, line(match), f"{name} is imported and not used")
        label = module.removeprefix("@salesforce/label/c.")
        if label != module:
            if label not in package.labels:
                yield Problem(
                    file, line(match), f"there is no label {label}{suggestion(label, package.labels)}"
                )
        elif module.startswith("c/"):
            other = known.get(module[2:])
            if other is None:
                yield Problem(file, line(match), f"there is no module {module}")
                continue
            for name in names if "{" in match[1] else []:
                if name not in other.exports:
                    close = suggestion(name, other.exports)
                    yield Problem(file, line(match), f"{module} does not export {name}{close}")
        elif module not in _PLATFORM_MODULES:
            yield Problem(
                file, line(match), f"unknown module {module}{suggestion(module, _PLATFORM_MODULES)}"
            )
    for name in re.findall(r"this\.(handle\w+|labels)\b", script):
        if name not in bundle.members:
            yield Problem(file, 0, f"this.{name} is not declared")
    fields = {name for fields in package.fields.values() for name in fields} | set(package.objects)
    for match in re.finditer(r"\b\w+__c\b", script):
        if match[0] not in fields:
            yield Problem(file, line(match), f"there is no field {match[0]}{suggestion(match[0], fields)}")
    relations = package.relations
    for match in re.finditer(r"\b\w+__r\b", script):
        if match[0] not in relations:
            yield Problem(file, line(match), f"no relationship {match[0]}{suggestion(match[0], relations)}")


@lru_cache(maxsize=2048)
def _balanced(file: str, text: str) -> tuple[Problem, ...]:
    """A file that has not changed is not counted again."""
    return tuple(_unbalanced(file, text))


def _unbalanced(file: str, text: str) -> Iterator[Problem]:
    def line(match: re.Match[str]) -> int:
        return text.count("\n", 0, match.start()) + 1

    stack: list[re.Match[str]] = []
    for match in _SCRIPT_TOKEN.finditer(text):
        token = match[0]
        if token in "([{":
            stack.append(match)
        elif token in _PAIRS and (not stack or stack.pop()[0] != _PAIRS[token]):
            yield Problem(file, line(match), f"{token} closes nothing that is open")
            return
    if stack:
        yield Problem(file, line(stack[-1]), f"{stack[-1][0]} is not closed")


def _template(bundle: Bundle, known: dict[str, Bundle]) -> Iterator[Problem]:
    if bundle.template is None:
        return
    file = f"lwc/{bundle.name}/{bundle.name}.html"
    # an expression is an attribute value without quotes: with them, a template is XML but for bare attributes
    text = re.sub(r"=(\{[^}]*\})", r'="\1"', bundle.template)
    text = re.sub(r"\s(lwc:else)(?=[\s>])", r' \1=""', text)
    try:
        root = parse(text)
    except NotWellFormed as error:
        yield Problem(file, error.line, f"not well-formed: {error}")
        return
    locals_ = {node.attributes["for:item"] for node in root.walk() if "for:item" in node.attributes}
    labels = re.search(r"^    labels = \{(.*?)\};", bundle.script, re.M | re.S)
    label_names = set(re.findall(r"(\w+):", labels[1])) if labels else set()
    by_tag = {re.sub(r"([A-Z])", lambda m: f"-{m[1].lower()}", name): item for name, item in known.items()}
    for node in root.walk():
        if node.tag.startswith("c-") and node.tag[2:] not in by_tag:
            yield Problem(file, node.line, f"there is no component <{node.tag}>")
        elif node.tag.startswith("c-"):
            child = by_tag[node.tag[2:]]
            for name in node.attributes:
                camel = re.sub(r"-(\w)", lambda m: m[1].upper(), name)
                if ":" not in name and name not in ("key", "class", "slot") and camel not in child.api:
                    yield Problem(
                        file, node.line, f"<{node.tag}> has no property {name}{suggestion(camel, child.api)}"
                    )
        elif "-" in node.tag and node.tag not in _BASE_COMPONENTS:
            close = suggestion(node.tag, _BASE_COMPONENTS)
            yield Problem(file, node.line, f"unknown component <{node.tag}>{close}")
        for text_ in (*node.attributes.values(), node.text):
            for path in re.findall(r"\{([\w.]+)\}", text_):
                first, _, rest = path.partition(".")
                if first not in bundle.members | locals_:
                    close = suggestion(first, bundle.members | locals_)
                    yield Problem(file, node.line, f"{{{path}}}: {first} is not declared{close}")
                elif first == "labels" and rest not in label_names:
                    yield Problem(
                        file, node.line, f"{{{path}}}: no such label{suggestion(rest, label_names)}"
                    )


def _styles(bundle: Bundle) -> Iterator[Problem]:
    """Every class of the template has a rule, every rule a class: a sheet that is lost or misspelled shows."""
    if bundle.template is None:
        return
    file = f"lwc/{bundle.name}/{bundle.name}.css"
    sheet = re.sub(r"/\*.*?\*/|\"[^\"]*\"", "", bundle.files.get(f"{bundle.name}.css", ""), flags=re.S)
    yield from _balanced(file, sheet)
    styled = set(re.findall(r"\.([a-z][\w-]*)", re.sub(r"\{[^{}]*\}", "{}", sheet)))
    used = {
        name
        for group in re.findall(r'\bclass="([^"]+)"', bundle.template)
        for name in group.split()
        if not name.startswith("slds-")
    }
    for name in sorted(used - styled):
        yield Problem(
            file, 0, f"the template uses the class {name}, which has no rule{suggestion(name, styled)}"
        )
    for name in sorted(styled - used):
        if not re.search(rf'(?<=["`\s]){name}(?=["`\s])', bundle.script):
            yield Problem(file, 0, f"nothing uses the class {name}{suggestion(name, used)}")


def _labels(package: Package, known: dict[str, Bundle]) -> Iterator[Problem]:
    used = {name for b in known.values() for name in re.findall(r"@salesforce/label/c\.(\w+)", b.script)}
    for file, root in package.in_folder("labels"):
        seen: set[str] = set()
        for label in root.all("labels"):
            name, value = label.one("fullName") or "", label.one("value") or ""
            if name in seen:
                yield Problem(file, label.line, f"the label {name} stands twice")
            seen.add(name)
            if not re.fullmatch(r"[A-Za-z]\w{0,79}", name) or not 0 < len(value) <= 1000:
                yield Problem(file, label.line, f"{name}: a name holds 80 characters, a value 1 to 1000")
            if len(label.one("shortDescription") or "") > 80:
                yield Problem(file, label.line, f"{name}: <shortDescription> is longer than 80 characters")
            if name not in used:
                yield Problem(file, label.line, f"no component uses the label {name}{suggestion(name, used)}")
