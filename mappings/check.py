"""The preflight: a mapping against what the org says of its objects and fields.

Pure: describes in, problems out. The command line, `doctor` and the start of each run all use it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType

from mappings.check_pull import check_pull
from mappings.check_push import check_push
from mappings.describe import ObjectDescribe
from mappings.fieldpaths import Describes, objects_on
from mappings.model import Mapping as RebateMapping
from mappings.model import PushTarget
from mappings.outbound import fitted
from mappings.problems import Finder, Problem, in_order
from mappings.record_currency import check_currencies
from mappings.rounding import too_fine
from mappings.task_status import TaskStatus, check_closing
from mappings.where import where_paths

TOO_FINE = "M212"
NOTHING: Mapping[str, Collection[str]] = MappingProxyType({})
_MAX_ROUNDS = 6  # relationships go up five times at most


def check(
    mapping: RebateMapping,
    describes: Describes,
    currencies: Mapping[str, str] | None = None,
    *,
    known: Collection[str] = (),
    statuses: Sequence[TaskStatus] = (),
    unused: Mapping[str, Collection[str]] = NOTHING,
) -> list[Problem]:
    """Every problem of the mapping in this org, in the order of the file.

    `describes` has the objects of `objects_needed`, None where the org has no such object. An object that is not
    in it is reported as not checked (M207). `currencies`: of the programs that are to be written, by key. `known`:
    `Object.Field` of what this org once showed. `statuses`: of tasks, as the org lists them; empty where it was not asked. `unused`: by source,
    words that no program comes to: a picklist without them is only warned of.
    """
    finder = Finder(known, unused)
    for entity in mapping.pull.values():
        check_pull(entity, mapping, describes, finder)
    for target in mapping.push.values():
        check_push(target, mapping, describes, finder)
        described = describes.get(target.object)
        if described is not None and target.when != "never":
            _check_decimals(fitted(target, described), currencies or {}, finder)
            check_closing(target, statuses, finder)
    check_currencies(mapping.push.values(), describes, currencies or {}, finder)
    return in_order(finder.found)


def _check_decimals(target: PushTarget, currencies: Mapping[str, str], finder: Finder) -> None:
    for one in too_fine([target], currencies):
        finder.warning(TOO_FINE, str(one), target.fields[one.fields[0]].place, one.mend)


def objects_needed(mapping: RebateMapping, describes: Describes | None = None) -> tuple[str, ...]:
    """Objects to describe next, sorted; empty when `describes` has all that the mapping touches."""
    known: Describes = describes or {}
    wanted = {entity.object for entity in mapping.pull.values()}
    wanted |= {target.object for target in mapping.push.values() if target.object}
    wanted -= known.keys()
    for entity in mapping.pull.values():
        paths = list(entity.paths)
        if entity.where:
            paths.extend(where_paths(entity.where))
        for path in paths:
            wanted |= objects_on(known, entity.object, path)
    return tuple(sorted(wanted - {""}))


def gather(
    mapping: RebateMapping, fetch: Callable[[Sequence[str]], Mapping[str, ObjectDescribe | None]]
) -> dict[str, ObjectDescribe | None]:
    """All describes the mapping needs, round by round: parents are known only when their children are."""
    describes: dict[str, ObjectDescribe | None] = {}
    for _ in range(_MAX_ROUNDS):
        wanted = objects_needed(mapping, describes)
        if not wanted:
            break
        fetched = fetch(wanted)
        describes.update({name: fetched.get(name) for name in wanted})
    return describes
