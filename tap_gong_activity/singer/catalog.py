"""The user's catalog: validated, and completed with the streams' own metadata."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from singer_sdk.singerlib import Catalog, CatalogEntry, MetadataMapping, Schema, StreamMetadata

from tap_gong_activity.base.errors import CatalogError
from tap_gong_activity.base.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from singer_sdk import Stream


def parse_catalog(content: Mapping[str, Any]) -> Catalog:
    """Parse a catalog; null counts as absent.

    Raises:
        CatalogError: If it isn't a Singer catalog, or a schema contains a reference.
    """
    try:
        entries = [
            {name: value for name, value in entry.items() if value is not None} for entry in content.get("streams", [])
        ]
        catalog = Catalog.from_dict({"streams": entries})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        message = f"The catalog isn't a Singer catalog ({type(error).__name__}): --discover prints one."
        raise CatalogError(message) from None
    for entry in entries:
        if _has_reference(entry.get("schema")):
            stream = redact(repr(entry["tap_stream_id"]))[:60]
            message = f"The catalog's schema of {stream} has a $ref, which isn't supported."
            raise CatalogError(message)
    return catalog


def _has_reference(schema: object) -> bool:
    if isinstance(schema, dict):
        return "$ref" in schema or any(map(_has_reference, schema.values()))
    return isinstance(schema, list) and any(map(_has_reference, schema))


def complete_catalog(catalog: Catalog, streams: Iterable[Stream]) -> list[str]:
    """Fill in missing metadata, add missing streams as deselected, and remove unknown streams.

    Returns:
        Names of the unknown streams.

    Raises:
        CatalogError: If an entry renames its stream or drops a key column.
    """
    by_name = {stream.name: stream for stream in streams}
    unknown = [name for name in catalog if name not in by_name]
    for name in unknown:
        del catalog[name]
    for name, stream in by_name.items():
        deselected = CatalogEntry(name, MetadataMapping({(): StreamMetadata(selected=False)}), Schema())
        catalog[name] = _completed(catalog.get(name, deselected), stream)
    return unknown


def _completed(entry: CatalogEntry, stream: Stream) -> CatalogEntry:
    if entry.stream not in {None, stream.name}:
        message = (
            f"The catalog renames {stream.name} to {redact(repr(entry.stream))[:60]}, which isn't supported: "
            "use __alias__ in stream_maps."
        )
        raise CatalogError(message)
    root = entry.metadata.get(())
    table = root if isinstance(root, StreamMetadata) else StreamMetadata()
    given_keys = entry.key_properties or table.table_key_properties
    completed = replace(
        entry,
        metadata=entry.metadata or stream.metadata,
        schema=entry.schema if entry.schema.properties else Schema.from_dict(stream.schema),
        key_properties=stream.primary_keys if given_keys is None else given_keys,
        replication_key=entry.replication_key or table.replication_key or stream.replication_key,
    )
    if not isinstance(completed.key_properties, (list, tuple)):
        message = f"The catalog's key_properties of {stream.name} must be an array of columns."
        raise CatalogError(message)
    mask = completed.metadata.resolve_selection()
    dropped = [
        column
        for column in dict.fromkeys((*stream.primary_keys, *map(str, completed.key_properties)))
        if column not in (completed.schema.properties or {}) or not mask[("properties", column)]
    ]
    if dropped and mask.get((), True):
        columns = f"{' and '.join(dropped):.60}"
        message = f"The catalog drops {columns} from {stream.name}, but the rows' key needs it."
        raise CatalogError(message)
    return completed


def with_all_selected(catalog: Catalog) -> Catalog:
    """Return a copy of the catalog that selects every stream."""
    copy = Catalog()
    for entry in catalog.streams:
        root = replace(entry.metadata.root, selected=True)
        copy.add_stream(replace(entry, metadata=MetadataMapping({**entry.metadata, (): root})))
    return copy
