from __future__ import annotations

import pytest

from domain.errors import KubeError
from kube import listed, read, read_scale
from kube.kinds import DEPLOYMENT, HPA, NAMESPACE, SCALED_OBJECT
from tests.fakes.kube_api import KubeApi
from tests.kube.conftest import Place, hpa


def test_a_list_of_many_pages_is_whole(place: Place) -> None:
    for number in range(7):
        place.hpa(f"app-{number}")

    found = listed(place.connection, HPA, namespace=place.namespace, limit=3)

    assert sorted(name for _, name in found.objects) == [f"app-{number}" for number in range(7)]
    assert found.resource_version.isdigit()


def test_only_the_fields_of_the_kind_are_read_and_all_of_them_as_dicts(place: Place) -> None:
    place.hpa("checkout", maxReplicas=7)

    short = read(place.connection, HPA, namespace=place.namespace, name="checkout")
    whole = read(place.connection, HPA.as_dicts(), namespace=place.namespace, name="checkout")

    assert (short.spec.min_replicas, short.spec.max_replicas, short.spec.scale_target_ref.name) == (2, 7, "checkout")
    assert (short.metadata.labels, short.metadata.uid) == ({"app": "checkout"}, whole["metadata"]["uid"])
    assert whole["spec"]["scaleTargetRef"]["kind"] == "Deployment"


def test_selectors_choose_on_the_server(place: Place) -> None:
    place.hpa("one")
    place.hpa("two")

    by_label = listed(place.connection, HPA, namespace=place.namespace, label_selector="app=two")
    by_name = listed(place.connection, HPA, namespace=place.namespace, field_selector="metadata.name=one")

    assert [name for _, name in by_label.objects] == ["two"]
    assert [name for _, name in by_name.objects] == ["one"]


def test_an_expired_page_starts_the_list_again_whole(on_fake: Place, fake: KubeApi) -> None:
    for number in range(5):
        on_fake.hpa(f"app-{number}")
    fake.fail(1, 410, part="autoscaling")

    found = listed(on_fake.connection, HPA, limit=2)

    assert len(found.objects) == 5
    assert "limit" not in fake.asked[-1].query


def test_of_a_list_that_breaks_off_nothing_is_kept(on_fake: Place, fake: KubeApi) -> None:
    for number in range(5):
        on_fake.hpa(f"app-{number}")
    fake.fail(1, 500, part="autoscaling")

    with pytest.raises(KubeError, match="500"):
        listed(on_fake.connection, HPA, limit=2)


def test_an_object_that_cannot_be_read_hides_itself_alone(
    on_fake: Place, fake: KubeApi, caplog: pytest.LogCaptureFixture
) -> None:
    on_fake.hpa("good")
    with fake.changing() as objects:
        bad = {**hpa("bad"), "metadata": {"name": "bad", "annotations": {"n": 1}}}
        objects.create(("autoscaling", "horizontalpodautoscalers"), ("shop", "bad"), bad, manager="x")

    found = listed(on_fake.connection, HPA)

    assert [name for _, name in found.objects] == ["good"]
    assert "a list holds an object that cannot be read" in caplog.text


def test_the_scale_of_a_workload_is_read(place: Place) -> None:
    labels = {"app": "web"}
    place.writer("helm").create(
        DEPLOYMENT,
        place.namespace,
        {
            "metadata": {"name": "web"},
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {"containers": [{"name": "c", "image": "example.invalid/c"}]},
                },
            },
        },
    )

    assert read_scale(place.connection, DEPLOYMENT, namespace=place.namespace, name="web").spec.replicas == 3


def test_paths_are_those_of_the_api() -> None:
    assert NAMESPACE.path(name="shop") == "/api/v1/namespaces/shop"
    assert DEPLOYMENT.path(namespace="shop", name="web", subresource="scale") == (
        "/apis/apps/v1/namespaces/shop/deployments/web/scale"
    )
    assert SCALED_OBJECT.path() == "/apis/keda.sh/v1alpha1/scaledobjects"
