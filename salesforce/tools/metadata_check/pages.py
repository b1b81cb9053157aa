"""Lightning pages, tabs, apps, the notification type."""

from __future__ import annotations

from collections.abc import Iterator

from .components import Bundle, bundles
from .model import Package, stem
from .nodes import Node, Problem, suggestion

_STANDARD_COMPONENTS = {"force:detailPanel", "force:highlightsPanel", "force:relatedListContainer"}
# template → its regions
_TEMPLATES = {
    "flexipage:recordHomeTemplateDesktop": {"header", "main", "sidebar"},
    "flexipage:defaultAppHomeTemplate": {"main"},
}
_TARGETS = {
    "RecordPage": "lightning__RecordPage",
    "AppPage": "lightning__AppPage",
    "HomePage": "lightning__HomePage",
}
_STANDARD_TABS = {"standard-Account", "standard-report", "standard-Dashboard", "standard-home"}


def problems(package: Package) -> Iterator[Problem]:
    for file, node in package.in_folder("flexipages"):
        yield from _page(file, node, bundles(package))
    pages = {stem(path) for path, _ in package.in_folder("flexipages")}
    tabs = {stem(path) for path, _ in package.in_folder("tabs")}
    for file, node in package.in_folder("tabs"):
        page = node.one("flexiPage")
        if page is not None and page not in pages:
            yield Problem(
                file, node.line_of("flexiPage"), f"there is no page {page}{suggestion(page, pages)}"
            )
        if page is not None and not node.one("label"):
            yield Problem(file, node.line, "the tab of a page needs a <label>")
        if page is None and (node.one("customObject") != "true" or stem(file) not in package.objects):
            yield Problem(
                file, node.line, f"a tab of no page and no object{suggestion(stem(file), package.objects)}"
            )
        if not (node.one("motif") or "").startswith("Custom"):
            yield Problem(file, node.line_of("motif"), "a tab needs a <motif>, such as Custom53: Bell")
    for file, node in package.in_folder("applications"):
        for item in node.all("tabs"):
            if item.text not in tabs | _STANDARD_TABS:
                yield Problem(file, item.line, f"there is no tab {item.text}{suggestion(item.text, tabs)}")
        for tab in sorted(tabs - {item.text for item in node.all("tabs")}):
            yield Problem(file, node.line, f"the tab {tab} is in no app")
    for file, node in package.in_folder("notificationtypes"):
        if node.one("customNotifTypeName") != stem(file):
            line = node.line_of("customNotifTypeName")
            yield Problem(file, line, f"<customNotifTypeName> is not the name of the file, {stem(file)}")


def _page(file: str, node: Node, known: dict[str, Bundle]) -> Iterator[Problem]:
    if len(node.one("masterLabel") or "") > 80:
        yield Problem(file, node.line_of("masterLabel"), "<masterLabel> is longer than 80 characters")
    template = node.one("template/name") or ""
    if template not in _TEMPLATES:
        yield Problem(
            file, node.line_of("template"), f"unknown template {template}{suggestion(template, _TEMPLATES)}"
        )
    for region in node.all("flexiPageRegions"):
        if region.one("name") not in _TEMPLATES.get(template, {region.one("name")}):
            yield Problem(file, region.line_of("name"), f"the template has no region {region.one('name')}")
        for item in region.all("itemInstances/componentInstance"):
            name = item.one("componentName") or ""
            line = item.line_of("componentName")
            if ":" in name:
                if name not in _STANDARD_COMPONENTS:
                    yield Problem(file, line, f"no component {name}{suggestion(name, _STANDARD_COMPONENTS)}")
                continue
            if name not in known:
                yield Problem(file, line, f"there is no component {name}{suggestion(name, known)}")
                continue
            yield from _placed(file, node, item, known[name])


def _placed(file: str, page: Node, item: Node, bundle: Bundle) -> Iterator[Problem]:
    target = _TARGETS.get(page.one("type") or "", "")
    if target not in bundle.targets:
        yield Problem(file, item.line, f"{bundle.name} cannot be placed on a {page.one('type')}")
    for setting in item.all("componentInstanceProperties"):
        name, value = setting.one("name") or "", setting.one("value") or ""
        design = bundle.properties(target).get(name)
        if design is None:
            close = suggestion(name, bundle.properties(target))
            yield Problem(file, setting.line, f"{bundle.name} has no property {name}{close}")
            continue
        low, high = int(design.get("min", "0")), int(design.get("max", "999999999"))
        if design.get("type") == "Integer" and not (value.isdecimal() and low <= int(value) <= high):
            yield Problem(file, setting.line, f"{name} is a whole number from {low} to {high}, not {value!r}")
    objects = bundle.objects(target)
    if objects and page.one("sobjectType") not in objects:
        yield Problem(
            file, page.line_of("sobjectType"), f"{bundle.name} is for {', '.join(sorted(objects))} only"
        )
