"""Avro by the extra `avro`: what a schema says, and JSON in its binary form. Nothing else imports the library.

Its reader is not used: a message of ten kilobytes that nests a recursive schema deep enough ends the whole process.
`events.avro_reading` reads.
"""

import io
from typing import Any

import orjson

from bireme.kit.errors import MissingExtra, UserError
from events.avro_values import Values
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


def written(schema: Parsed, text: bytes) -> bytes:
    """A value of JSON in Avro's binary form. Raises NotAvro where it does not fit.

    A value of a union may be wrapped as `{"type": value}` or stand for itself; bytes are text with a character for each
    of them; a whole number may be written as a float.
    """
    library = _library("Avro")
    raw, named = io.BytesIO(), dict[str, Any]()
    try:
        library.parse_schema(schema, named)  # parsed it is; this gives the names
        value = Values(named).of(schema, orjson.loads(text))
        library.validation.validate(value, schema, raise_errors=True)
        library.schemaless_writer(raw, schema, value)
    except RecursionError as error:
        raise NotAvro("the value is nested too deep") from error
    except library.validation.ValidationError as error:
        raise NotAvro(f"the value does not fit the schema: {_misfits(error)}") from error
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise NotAvro(f"the value does not fit the schema: {_told(error)}") from error
    return raw.getvalue()


def _library(what: str) -> Any:
    try:
        import fastavro
        import fastavro.schema
        import fastavro.validation
    except ModuleNotFoundError as error:
        raise MissingExtra("avro", what) from error
    return fastavro


def _misfits(error: Any) -> str:
    """Where, and what was expected; not what was there."""
    return "; ".join(f"{one.field or 'it'}: expected {one.schema}" for one in error.errors)[:300]


def _told(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:300]
