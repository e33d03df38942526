"""Avro by the extra `avro`: what a schema says, and JSON in its binary form. Nothing else imports the library.

Its reader is not used: a message of ten kilobytes that nests a recursive schema deep enough ends the whole process.
`events.avro_reading` reads.
"""

from typing import Any

import orjson

from bireme.kit.errors import MissingExtra, UserError
from events.ports import EventsError


class NotAvro(EventsError, UserError):
    """The schema cannot be used, or the value does not fit it."""


Parsed = Any
"""A schema with the full name of every type, each of them defined once."""


def needed_for(what: str) -> None:
    """Raises MissingExtra where the library is not installed."""
    _library(what)


def parsed(text: str) -> Parsed:
    """Raises NotAvro."""
    library = _library("Avro")
    try:
        return library.parse_schema(orjson.loads(text))
    except RecursionError as error:
        raise NotAvro("the schema is nested too deep") from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise NotAvro(f"this is no Avro schema: {_told(error)}") from error
    except library.schema.SchemaParseException as error:
        raise NotAvro(f"this is no Avro schema: {_told(error)}") from error


def _library(what: str) -> Any:
    try:
        import fastavro
        import fastavro.schema
        import fastavro.validation
    except ModuleNotFoundError as error:
        raise MissingExtra("avro", what) from error
    return fastavro


def _told(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:300]
