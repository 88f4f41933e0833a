"""What the fake API server keeps: objects, who owns which field of them, and what happened since when.

A small honest subset of server-side apply: ownership per leaf path (a list is one leaf, but containers, which have
names), shared when values agree, 409 naming the rival when they do not, fields given up fall to their default. Nothing
is written when nothing changes.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
Path = tuple[str, ...]
Resource = tuple[str, str]
"""Group and plural."""
Key = tuple[str, str]

_NOT_OWNED = {"name", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields"}


class Refused(Exception):
    """An answer that is no success, as a Status object."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        causes: list[Object] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        details: Object = {"causes": causes} if causes else {}
        if retry_after is not None:
            details["retryAfterSeconds"] = retry_after
        self.status: Object = {
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "details": details, "code": code,
        }  # fmt: skip
        self.code = code


@dataclass(frozen=True)
class Place:
    resource: Resource
    namespace: str
    name: str
    subresource: str

    @property
    def key(self) -> Key:
        return self.namespace, self.name


@dataclass
class Owner:
    manager: str
    operation: str
    subresource: str
    paths: set[Path]


@dataclass(frozen=True)
class Happening:
    version: int
    resource: Resource
    type: str
    object: Object


@dataclass
class Objects:
    version: int = 100
    oldest: int = 0
    """Watches from before this version are too old."""
    kept: dict[Resource, dict[Key, Object]] = field(default_factory=dict)
    owners: dict[tuple[Resource, Key], list[Owner]] = field(default_factory=dict)
    happened: list[Happening] = field(default_factory=list)
    _uids: int = 0

    def of(self, resource: Resource) -> dict[Key, Object]:
        return self.kept.setdefault(resource, {})

    def get(self, resource: Resource, key: Key) -> Object:
        found = self.of(resource).get(key)
        if found is None:
            raise Refused(404, "NotFound", f'{resource[1]} "{key[1]}" not found')
        return found

    def compact(self) -> None:
        self.oldest, self.happened = self.version, []

    # ---- writing

    def create(self, resource: Resource, key: Key, body: Object, *, manager: str, dry_run: bool = False) -> Object:
        if key in self.of(resource):
            raise Refused(409, "AlreadyExists", f'{resource[1]} "{key[1]}" already exists')
        owner = Owner(manager, "Update", "", set(leaves(body)))
        return self._keep(resource, key, None, copy.deepcopy(body), [owner], dry_run=dry_run)

    def replace(self, resource: Resource, key: Key, body: Object, *, manager: str, dry_run: bool = False) -> Object:
        old = self.get(resource, key)
        _same(old, body, key)
        return self._update(resource, key, old, copy.deepcopy(body), manager, "", dry_run=dry_run)

    def merge(
        self, resource: Resource, key: Key, patch: Object, *,
        manager: str, subresource: str = "", dry_run: bool = False, lax: bool = False,
    ) -> Object:  # fmt: skip
        """``lax`` keeps what the API would refuse: kinds of lax schemas have such objects."""
        old = self.get(resource, key)
        _same(old, patch, key)
        allowed = {name: part for name, part in patch.items() if (name == "status") == (subresource == "status")}
        return self._update(resource, key, old, merged(old, allowed), manager, subresource, dry_run=dry_run, lax=lax)

    def apply(
        self, resource: Resource, key: Key, body: Object, *,
        manager: str, force: bool, subresource: str = "", dry_run: bool = False,
    ) -> Object:  # fmt: skip
        old = self.of(resource).get(key)
        if old is None:
            if body.get("metadata", {}).get("uid"):
                raise Refused(409, "Conflict", "uid mismatch: the provided object specified uid, and none was found")
            owner = Owner(manager, "Apply", subresource, set(leaves(body)))
            return self._keep(resource, key, None, copy.deepcopy(body), [owner], dry_run=dry_run)
        _same(old, body, key)
        owners = copy.deepcopy(self.owners[resource, key])
        mine = next((o for o in owners if (o.manager, o.operation) == (manager, "Apply")), None)
        others = [owner for owner in owners if owner is not mine]
        wanted = {path: value for path, value in leaves(body).items() if (path[0] == "status") == bool(subresource)}
        disputed = [
            (owner, path) for owner in others for path in sorted(owner.paths & wanted.keys())
            if at(old, path) != wanted[path]
        ]  # fmt: skip
        if disputed and not force:
            raise _conflict(disputed)
        for owner, path in disputed:
            owner.paths.discard(path)
        new = copy.deepcopy(old)
        for path in mine.paths - wanted.keys() if mine else ():
            if not any(path in owner.paths for owner in others):
                remove(new, path)
        for path, value in wanted.items():
            put(new, path, value)
        owners = [owner for owner in others if owner.paths] + [Owner(manager, "Apply", subresource, set(wanted))]
        return self._keep(resource, key, old, new, owners, dry_run=dry_run)

    def delete(self, resource: Resource, key: Key, *, uid: str | None = None, dry_run: bool = False) -> Object:
        old = self.get(resource, key)
        if uid is not None and uid != old["metadata"]["uid"]:
            raise Refused(409, "Conflict", f"the UID in the precondition ({uid}) does not match")
        if not dry_run:
            self.version += 1
            del self.of(resource)[key], self.owners[resource, key]
            gone = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.version)}}
            self.happened.append(Happening(self.version, resource, "DELETED", gone))
        return old

    def _update(
        self, resource: Resource, key: Key, old: Object, new: Object, manager: str, subresource: str, *,
        dry_run: bool, lax: bool = False,
    ) -> Object:  # fmt: skip
        before, after = leaves(old), leaves(new)
        changed = {path for path, value in after.items() if before.get(path, _MISSING) != value}
        owners = copy.deepcopy(self.owners[resource, key])
        for owner in owners:
            owner.paths -= changed | (before.keys() - after.keys())
        mine = next((o for o in owners if (o.manager, o.operation) == (manager, "Update")), None)
        if mine is None and manager:
            owners.append(mine := Owner(manager, "Update", subresource, set()))
        if mine is not None:
            mine.paths |= changed
        return self._keep(resource, key, old, new, [o for o in owners if o.paths], dry_run=dry_run, lax=lax)

    def _keep(
        self, resource: Resource, key: Key, old: Object | None, new: Object, owners: list[Owner], *,
        dry_run: bool, lax: bool = False,
    ) -> Object:  # fmt: skip
        if not lax:
            defaulted(resource, new)
        metadata = new.setdefault("metadata", {})
        metadata.update(name=key[1], **({"namespace": key[0]} if key[0] else {}))
        metadata["managedFields"] = [_written(owner) for owner in owners]
        kept = old["metadata"] if old is not None else self._born()
        for name in ("uid", "creationTimestamp", "resourceVersion", "generation"):
            metadata[name] = kept[name]
        if new == old or dry_run:
            return new
        if old is not None and new.get("spec") != old.get("spec"):
            metadata["generation"] += 1
        self.version += 1
        metadata["resourceVersion"] = str(self.version)
        self.of(resource)[key] = new
        self.owners[resource, key] = owners
        self.happened.append(Happening(self.version, resource, "MODIFIED" if old is not None else "ADDED", new))
        return new

    def _born(self) -> Object:
        self._uids += 1
        at = datetime(2026, 11, 21, 12, 0, tzinfo=UTC).isoformat().replace("+00:00", "Z")
        return {"uid": f"uid-{self._uids}", "creationTimestamp": at, "resourceVersion": "0", "generation": 1}


_MISSING = object()


def leaves(body: Object, above: Path = ()) -> dict[Path, Any]:
    """Every value that is no dict, by its path, without what identifies the object."""
    found: dict[Path, Any] = {}
    for name, value in body.items():
        if not above and name in ("apiVersion", "kind") or above == ("metadata",) and name in _NOT_OWNED:
            continue
        if name == "containers" and isinstance(value, list):
            for item in value:
                rest = {part: below for part, below in item.items() if part != "name"}
                found[(*above, name, _key(item), "name")] = item["name"]
                found.update(leaves(rest, (*above, name, _key(item))))
        elif isinstance(value, dict) and value:
            found.update(leaves(value, (*above, name)))
        elif not (isinstance(value, dict) and not above):
            found[(*above, name)] = value
    return found


def _key(item: Object) -> str:
    return json.dumps({"name": item["name"]}, separators=(",", ":"))


def at(thing: Any, path: Path) -> Any:
    for name in path:
        if isinstance(thing, list):
            thing = next((item for item in thing if _key(item) == name), _MISSING)
            continue
        if not isinstance(thing, dict) or name not in thing:
            return _MISSING
        thing = thing[name]
    return thing


def put(thing: Object, path: Path, value: Any) -> None:
    below: Any = thing
    for name, after in zip(path[:-1], path[1:], strict=True):
        if isinstance(below, list):
            if at(below, (name,)) is _MISSING:
                below.append(json.loads(name))
            below = at(below, (name,))
        else:
            below = below.setdefault(name, [] if after.startswith("{") else {})
    below[path[-1]] = copy.deepcopy(value)


def remove(thing: Object, path: Path) -> None:
    parent = at(thing, path[:-1])
    if isinstance(parent, dict):
        parent.pop(path[-1], None)
        if not parent and len(path) > 2:
            remove(thing, path[:-1])


def merged(old: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    new = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            new.pop(name, None)
        else:
            new[name] = merged(new.get(name), value)
    return copy.deepcopy(new)


def defaulted(resource: Resource, body: Object) -> None:
    """What the real API server fills in and refuses, for the kinds that the tests write."""
    if resource == ("autoscaling", "horizontalpodautoscalers"):
        spec = body.setdefault("spec", {})
        spec.setdefault("minReplicas", 1)
        if spec.get("maxReplicas", 0) < spec["minReplicas"]:
            said = "spec.maxReplicas: Invalid value: must be greater than or equal to `minReplicas`"
            raise Refused(422, "Invalid", said, causes=[{"reason": "FieldValueInvalid", "field": "spec.maxReplicas"}])
    if resource in (("apps", "deployments"), ("apps", "statefulsets")):
        body.setdefault("spec", {}).setdefault("replicas", 1)


def _same(old: Object, body: Object, key: Key) -> None:
    """The preconditions that a body carries."""
    asked, is_now = body.get("metadata", {}), old["metadata"]
    if asked.get("uid", is_now["uid"]) != is_now["uid"]:
        said = f'Invalid value: "{asked["uid"]}": field is immutable'
        causes = [{"reason": "FieldValueInvalid", "message": said, "field": "metadata.uid"}]
        raise Refused(422, "Invalid", f'"{key[1]}" is invalid: metadata.uid: {said}', causes=causes)
    if asked.get("resourceVersion", is_now["resourceVersion"]) != is_now["resourceVersion"]:
        raise Refused(
            409, "Conflict", f'Operation cannot be fulfilled on "{key[1]}": the object has been modified; '
            "please apply your changes to the latest version and try again",
        )  # fmt: skip


def _conflict(disputed: list[tuple[Owner, Path]]) -> Refused:
    causes = [
        {"reason": "FieldManagerConflict", "message": f'conflict with "{owner.manager}"', "field": "." + ".".join(path)}
        for owner, path in disputed
    ]
    said = "; ".join(f"{cause['message']}: {cause['field']}" for cause in causes)
    return Refused(409, "Conflict", f"Apply failed with {len(causes)} conflict: {said}", causes=causes)


def _written(owner: Owner) -> Object:
    fields: Object = {}
    for path in sorted(owner.paths):
        put(fields, tuple(f"k:{name}" if name.startswith("{") else f"f:{name}" for name in path), {})
    written = {"manager": owner.manager, "operation": owner.operation, "fieldsType": "FieldsV1", "fieldsV1": fields}
    return {**written, **({"subresource": owner.subresource} if owner.subresource else {})}


def placed(path: str) -> Place:
    """``/apis/apps/v1/namespaces/shop/deployments/web/scale`` taken apart."""
    parts = path.strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
    namespace = ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    name, subresource = (*rest[1:], "", "")[:2]
    return Place((group, rest[0]), namespace, name, subresource)


def chosen(kept: Object, place: Place, query: dict[str, str]) -> bool:
    """Namespace, labelSelector (``a=b,c=d`` or one ``a in (b,c)``) and fieldSelector (``metadata.name=…`` only)."""
    metadata = kept["metadata"]
    selector = query.get("labelSelector", "")
    label, is_set, values = selector.partition(" in ")
    if is_set and metadata.get("labels", {}).get(label) not in values.strip("()").split(","):
        return False
    labels = [] if is_set else [pair.split("=") for pair in selector.split(",") if pair]
    names = [pair.split("=")[1] for pair in query.get("fieldSelector", "").split(",") if pair]
    return (
        place.namespace in ("", metadata.get("namespace", ""))
        and all(metadata.get("labels", {}).get(name) == value for name, value in labels)
        and all(metadata["name"] == name for name in names)
    )


def scale_of(workload: Object) -> Object:
    metadata = {name: workload["metadata"][name] for name in ("name", "namespace", "uid", "resourceVersion")}
    return {
        "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata,
        "spec": {"replicas": workload["spec"].get("replicas", 1)},
        "status": merged({"replicas": 0}, {"replicas": workload.get("status", {}).get("replicas", 0)}),
    }  # fmt: skip
