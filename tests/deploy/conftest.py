"""deploy/ applied to the test cluster, and each of its ServiceAccounts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest

from rules.crd_names import plural
from rules.schema import KINDS
from tests.cluster.api import Api, ApiError, path
from tests.cluster.control_plane import Cluster
from tests.deploy.applying import ACCOUNT, ACCOUNTS, DRY, apply
from tests.deploy.manifests import FOLDER, objects

_STAYS = {"Namespace", "CustomResourceDefinition", "ServiceAccount"}
"""What takes time to go, and other tests of the run may want."""


@pytest.fixture(scope="session")
def installed(cluster: Cluster) -> Iterator[Cluster]:
    """``kubectl apply -k deploy/kubernetes`` and discovery, after a dry run of the same."""
    api, manifests = cluster.api, objects(FOLDER)
    apply(api, next(one for one in manifests if one["kind"] == "Namespace"))
    doors = [one for name in ("adapter", "keda-scaler", "webhook") for one in objects(FOLDER / name)]
    for one in [*manifests, *doors]:
        apply(api, one, **DRY)
    manifests += objects(FOLDER / "discovery")
    for one in manifests:
        apply(api, one)
    for where in (f"/apis/foretide.dev/v1alpha1/{plural(kind)}" for kind in KINDS):
        api.until(f"{where} is served", partial(api.request, "GET", where))
    yield cluster
    for one in reversed(manifests):
        if one["kind"] not in _STAYS:
            where = path(one["kind"], one["metadata"]["name"], one["metadata"].get("namespace"), api=one["apiVersion"])
            with suppress(ApiError):
                api.request("DELETE", where)


@pytest.fixture(scope="session")
def acting(installed: Cluster) -> Iterator[dict[str, Api]]:
    """Each ServiceAccount by its own token."""
    accounts = {who: installed.as_user(ACCOUNT + who) for who in ACCOUNTS}
    yield accounts
    for account in accounts.values():
        account.close()
