"""``foretide adapter``, a process of its own behind a real API server, by its own account; real HPAs follow."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import httpx
import pytest

from tests.cluster.accounts import ensure
from tests.cluster.api import ApiError, Object
from tests.cluster.control_plane import Cluster
from tests.cluster.credentials import Pair
from tests.cluster.metrics_stub import EXTERNAL
from tests.cluster.objects import condition, deployment, hpa, replicas
from tests.cluster.programs import Program
from tests.deploy.applying import apply
from tests.deploy.manifests import FOLDER, objects
from tests.e2e.program import FORETIDE, free_port
from tests.fakes.foretide_api import TOKEN, ForetideApi, forecast, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ACCOUNT = "system:serviceaccount:foretide:foretide-adapter"
API = f"/apis/{EXTERNAL}/v1beta1"
HPA = "HorizontalPodAutoscaler"
STEP = timedelta(seconds=15)
"""Short, so that the adapter looks again after 5 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """The adapter, where it is reached past the API server, and what it reads."""

    cluster: Cluster
    url: str
    foretide: ForetideApi

    def direct(
        self, path: str, *, pair: Pair | None = None, token: str = "", **headers: str
    ) -> httpx.Response:  # fmt: skip
        context = ssl.create_default_context(cafile=self.cluster.credentials.ca)
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        return httpx.get(self.url + path, verify=context, headers=sent, trust_env=False)


@pytest.fixture(scope="module")
def behind(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    """The manifests' account, rights and APIService; the Service leads to loopback, as the metrics stub's does."""
    before = cluster.metrics and cluster.api.get("APIService", f"v1beta1.{EXTERNAL}")["spec"]
    folder, port = tmp_path_factory.mktemp("adapter"), free_port()
    token = folder / "token"
    token.write_text(TOKEN)
    kubeconfig = cluster.kubeconfig(ACCOUNT)  # makes the account
    manifests = {one["kind"]: one for one in objects(FOLDER / "adapter")}
    for kind in ("ServiceAccount", "ClusterRoleBinding", "RoleBinding"):
        apply(cluster.api, manifests[kind])
    pair = cluster.credentials.server("adapter", "foretide-adapter.foretide.svc")

    def ready() -> bool:
        context = ssl.create_default_context(cafile=cluster.credentials.ca)
        try:
            return httpx.get(f"https://127.0.0.1:{port}/readyz", verify=context, trust_env=False).is_success
        except httpx.TransportError:
            return False

    with serving(ForetideApi()) as foretide:
        command = [FORETIDE, "adapter", "--host", "127.0.0.1", "--port", str(port), "--server", foretide.url]
        command += ["--token-file", str(token), "--kubeconfig", str(kubeconfig), "--context", "foretide-test"]
        command += ["--cert", str(pair.certificate), "--key", str(pair.key)]
        program = Program("adapter", command, folder=folder, ready=ready)
        foretide.put(forecast("anywhere/checkout/requests", 1.0))
        program.start()
        try:
            program.wait_ready()
            service = {"name": "foretide-adapter", "namespace": "foretide"}
            spec = {"type": "ExternalName", "externalName": "127.0.0.1"}
            ensure(cluster.api, {"apiVersion": "v1", "kind": "Service", "metadata": service, "spec": spec})
            bundle = base64.b64encode(cluster.credentials.ca.read_bytes()).decode()
            own = manifests["APIService"]["spec"]
            registered(cluster, {**own, "service": {**own["service"], "port": port}, "caBundle": bundle})
            yield Behind(cluster=cluster, url=f"https://127.0.0.1:{port}", foretide=foretide)
        finally:
            program.stop()
            registered(cluster, before)


def registered(cluster: Cluster, spec: Object) -> None:
    """In place of whoever serves the group now, until the API server has found it.

    A new object: of one that is changed the API server remembers that its server had no OpenAPI.
    """
    name = f"v1beta1.{EXTERNAL}"
    cluster.api.delete("APIService", name)
    cluster.api.create({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": name},
                        "spec": spec})  # fmt: skip

    def found() -> bool:
        cluster.api.request("GET", API)
        return condition(cluster.api.get("APIService", name), "Available")[0] == "True"

    cluster.api.until("the API is available", found)


def external(selector: dict[str, str], *, per_replica: str) -> list[Object]:
    metric = {"name": "checkout:requests", "selector": {"matchLabels": selector}}
    target = {"type": "AverageValue", "averageValue": per_replica}
    return [{"type": "External", "external": {"metric": metric, "target": target}}]


def test_a_real_hpa_follows_the_forecast_and_stays_where_it_is_when_that_is_stale(behind: Behind) -> None:
    api, foretide = behind.cluster.api, behind.foretide
    namespace = behind.cluster.namespace("adapter")
    signal = f"{namespace}/checkout/requests"
    foretide.put(forecast(signal, *[20.0] * 8, 60.0, 20.0, step=STEP))
    api.create(deployment("shop", namespace, replicas=1))
    api.create(hpa("shop", namespace, metrics=external({"quantile": "0.9", "lead": "30s"}, per_replica="10")))
    api.until("20 in the next 30 s, half as much again, by 10", lambda: replicas(api, "shop", namespace)[0] == 3)

    foretide.put(forecast(signal, *[50.0] * 40, step=STEP))
    api.until("the new forecast", lambda: replicas(api, "shop", namespace)[0] == 8)

    foretide.put(forecast(signal, *[1.0] * 80, step=STEP, age=timedelta(minutes=11)))
    blind = ("False", "FailedGetExternalMetric")
    api.until("it is stale", lambda: condition(api.get(HPA, "shop", namespace), "ScalingActive") == blind)
    assert replicas(api, "shop", namespace)[0] == 8
    message = next(one for one in api.get(HPA, "shop", namespace)["status"]["conditions"] if one["reason"] == blind[1])
    assert f"the forecast {signal} is stale: its last measurement is 11m" in message["message"]
    api.delete("Namespace", namespace)


def test_what_is_asked_is_answered_and_the_api_server_merges_its_open_api(behind: Behind) -> None:
    api, foretide = behind.cluster.api, behind.foretide
    shop = forecast("platform/cpu", 4.0, 5.0, 9.0, labels={"namespace": "shop"})
    foretide.put(shop, forecast("platform/cpu", 1.0, 1.0, labels={"namespace": "web"}))

    listed = api.request("GET", API)["resources"]
    assert {"checkout:requests"} <= {one["name"] for one in listed}
    assert api.request("GET", f"/apis/{EXTERNAL}")["preferredVersion"]["version"] == "v1beta1"
    where = f"{API}/namespaces/platform/cpu"
    told = api.request("GET", where, query={"labelSelector": "namespace in (shop),quantile=0.5,lead=10m"})
    assert told["items"] == [
        {
            "metricName": "cpu",
            "metricLabels": {"namespace": "shop", "quantile": "0.5", "lead": "10m"},
            "timestamp": shop.made_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "value": "5",
        }
    ]
    for query, code, said in (
        ("quantile=0.99", 400, "quantile: platform/cpu{namespace="), ("lead=1y", 400, "lead: "),
        ("namespace=bank", 404, "no forecast platform/cpu that has these labels"),
    ):  # fmt: skip
        with pytest.raises(ApiError) as refused:
            api.request("GET", where, query={"labelSelector": query})
        assert (refused.value.status, said in refused.value.message) == (code, True), refused.value
    v2 = f"{API}/"
    api.until("its OpenAPI is merged", lambda: v2 in api.request("GET", "/openapi/v2")["paths"])
    api.until("in both versions", lambda: API.strip("/") in str(api.request("GET", "/openapi/v3")))


def test_nobody_gets_in_but_the_front_proxy_and_whom_the_cluster_lets_in(behind: Behind) -> None:
    cluster, credentials = behind.cluster, behind.cluster.credentials
    behind.foretide.put(forecast("platform/door/load", 1.0, 1.0))
    where = f"{API}/namespaces/platform/door:load"
    proxy = credentials.client("aggregator", authority="aggregator-ca")
    as_admin = {"X_Remote_User": "root", "X_Remote_Group": "system:masters"}
    reader = "system:serviceaccount:platform:reader"
    token, other = cluster.token(reader), cluster.token("system:serviceaccount:platform:other")
    rule = {"apiGroups": [EXTERNAL], "resources": ["door:load"], "verbs": ["list"]}
    named = {"name": "door", "namespace": "platform"}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "door"}
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": named}
    subject = {"kind": "ServiceAccount", "name": "reader", "namespace": "platform"}
    apply(cluster.api, {**rbac, "kind": "Role", "rules": [rule]})
    apply(cluster.api, {**rbac, "kind": "RoleBinding", "roleRef": reference, "subjects": [subject]})

    assert behind.direct(where).status_code == 401
    assert behind.direct(where, **as_admin).status_code == 401
    assert behind.direct(where, token="no.such.token", **as_admin).status_code == 401
    impostor = credentials.client("impostor", authority="aggregator-ca")
    assert behind.direct(where, pair=impostor, **as_admin).status_code == 401
    with pytest.raises(httpx.TransportError):
        behind.direct(where, pair=credentials.client("aggregator-of-users", ["system:masters"]), **as_admin)

    assert behind.direct(where, pair=proxy, **as_admin).json()["items"][0]["value"] == "1500m"
    assert behind.direct(where, pair=proxy, X_Remote_User="nobody").status_code == 403
    assert behind.direct(where, pair=proxy).status_code == 401
    cluster.api.until("the right is known", lambda: behind.direct(where, token=token).status_code == 200)
    assert behind.direct(where, token=other).status_code == 403
    assert behind.direct(f"{API}/namespaces/platform/cpu", token=token).status_code == 403
    assert cluster.as_user(reader).request("GET", where)["items"][0]["value"] == "1500m"
