"""Reads ``kubernetes_sd_configs`` as they stand in a Prometheus file.

The cluster, its address and our credentials are those of Foretide itself: what would name others is refused.
"""

from __future__ import annotations

from typing import Final

import yaml

from collector import document
from collector.document import Section
from collector.targets import KubernetesDiscovery, Selector

ROLES: Final = {
    "node": ("node",),
    "service": ("service",),
    "pod": ("pod",),
    "endpointslice": ("endpointslice", "service", "pod"),
    "ingress": ("ingress",),
}
"""Roles, and which objects each of them may choose by selectors."""
_OURS: Final = {
    key: f"{key} has no place here: the cluster and the way to it are those of `kubernetes` in foretide.yaml"
    for key in (
        "api_server", "kubeconfig_file", "basic_auth", "authorization", "oauth2", "proxy_url", "no_proxy",
        "proxy_from_environment", "proxy_connect_header", "tls_config", "bearer_token", "bearer_token_file",
        "follow_redirects", "enable_http2", "http_headers",
    )
}  # fmt: skip


def kubernetes_discoveries(section: Section) -> tuple[KubernetesDiscovery, ...]:
    """The entries of a job; a mistaken one is noted and left out."""
    found = []
    for node, field in section.items("kubernetes_sd_configs"):
        if not isinstance(node, yaml.MappingNode):
            section.mistakes.add(node, field, "expected a mapping with role")
            continue
        discovery = _discovery(Section(node, field, section.mistakes))
        if discovery is not None:
            found.append(discovery)
    return tuple(found)


def _discovery(section: Section) -> KubernetesDiscovery | None:
    role = section.take("role", _role, "")
    names, own = _namespaces(section.section("namespaces"))
    selectors = _selectors(section, role)
    attached = section.section("attach_metadata")
    attach_node = False
    if attached is not None:
        attach_node = attached.take("node", document.flag, False)
        attached.close({"namespace": "namespace is not supported yet"})
    if "role" not in section:
        section.wrong("role", "role missing (one of: node, service, pod, endpointslice, ingress)")
    section.close(_OURS)
    if not role:
        return None
    return KubernetesDiscovery(
        role=role, namespaces=names, own_namespace=own, selectors=selectors, attach_node=attach_node
    )


def _role(node: yaml.Node) -> str:
    written = document.text(node)
    if written == "endpoints":
        raise ValueError(
            "role endpoints is not supported, Kubernetes has deprecated that API; "
            "write endpointslice, whose labels begin with __meta_kubernetes_endpointslice_"
        )
    if written not in ROLES:
        raise ValueError(f"expected one of {', '.join(ROLES)}, got {written!r}")
    return written


def _namespaces(section: Section | None) -> tuple[tuple[str, ...], bool]:
    if section is None:
        return (), False
    names = []
    for node, field in section.items("names"):
        try:
            names.append(document.text(node))
        except ValueError as error:
            section.mistakes.add(node, field, str(error))
    own = section.take("own_namespace", document.flag, False)
    section.close({})
    return tuple(dict.fromkeys(names)), own


def _selectors(section: Section, role: str) -> tuple[Selector, ...]:
    found: dict[str, Selector] = {}
    for node, field in section.items("selectors"):
        if not isinstance(node, yaml.MappingNode):
            section.mistakes.add(node, field, "expected a mapping with role, label and field")
            continue
        own = Section(node, field, section.mistakes)
        selector = Selector(
            role=own.take("role", document.text, ""),
            label=own.take("label", document.text, ""),
            field=own.take("field", document.text, ""),
        )
        own.close({})
        if role and selector.role not in ROLES[role]:
            own.wrong("role", f"{role} role supports only {', '.join(ROLES[role])} selectors")
        elif selector.role in found:
            own.wrong("role", f"duplicated selector role: {selector.role}")
        found[selector.role] = selector
    return tuple(found.values())
