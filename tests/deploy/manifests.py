"""Manifests against what is published of them: the operator's definitions, Kubernetes' schemas."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

OPERATOR = Path(__file__).parent / "operator"
VERSION = "1.34"


def documents(path: Path) -> list[dict[str, Any]]:
    """All manifests of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def validate(manifest: dict[str, Any]) -> None:
    """Validate one manifest, refusing also what Kubernetes would silently drop.

    Raises
    ------
    jsonschema.ValidationError
        If it is not what the operator, or Kubernetes, takes.
    """
    if manifest["apiVersion"] != "kubernetes.dask.org/v1":
        kubernetes_validate.validate(manifest, VERSION, strict=True)
        return
    schema = _schema(manifest["kind"])
    for name in ("apiVersion", "kind", "metadata"):
        schema["properties"][name] = {}
    jsonschema.Draft202012Validator(schema).validate(manifest)
    for kind, spec in core_specs(manifest["spec"]):
        whole = {"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}, "spec": spec}
        kubernetes_validate.validate(whole, VERSION, strict=True)


def core_specs(spec: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Specifications of pods and services anywhere in that of the operator."""
    found = []
    for name, value in spec.items():
        if not isinstance(value, dict):
            continue
        if "containers" in value:
            found.append(("Pod", value))
        elif name == "service":
            found.append(("Service", value))
        else:
            found += core_specs(value)
    return found


def _schema(kind: str) -> dict[str, Any]:
    definition = yaml.safe_load((OPERATOR / f"{kind.lower()}.yaml").read_text())
    (version,) = definition["spec"]["versions"]
    return _resolved(version["schema"]["openAPIV3Schema"])


def _resolved(node: Any) -> Any:
    """A schema with its references filled in, and closed to names that it does not know."""
    if isinstance(node, list):
        return [_resolved(item) for item in node]
    if not isinstance(node, dict):
        return node
    if reference := node.get("$ref"):
        name = reference.rpartition("/definitions/")[2]
        if name.startswith("io.k8s."):
            return {"type": "object"}  # validated by themselves, against Kubernetes' own
        return _resolved(_templates()[name])
    closed = {"additionalProperties": False} if "properties" in node else {}
    return closed | {key: _resolved(value) for key, value in node.items()}


def _templates() -> dict[str, Any]:
    definitions: dict[str, Any] = yaml.safe_load((OPERATOR / "templates.yaml").read_text())
    return definitions["definitions"]
