"""The contract as a machine reads it: asyncapi.yaml and its schemas, and nothing else.

Used by the tests of this folder and by the bus tap. It imports no type of the product on purpose:
what it accepts is what a stranger would accept who has only the document.
"""

import gzip
import hashlib
import io
import json
import re
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml
import zstandard

FOLDER = Path(__file__).resolve().parents[2] / "sync" / "contract"
SCHEMA_FORMAT = "application/schema+json;version=2020-12"
MESSAGE_BYTES_MAX = 128 * 1024
TESTS_OWN_TYPE = re.compile(r"(test|chaos|t)\.")
"""Events that only tests produce; a box has no such type."""


class Breach(AssertionError):
    """A message that the document does not allow."""


@dataclass(frozen=True)
class Publication:
    """One message that may be sent on a channel, with which QoS and retain flag, by whom."""

    message: "Message"
    qos: int
    retain: bool
    operation: str


@dataclass(frozen=True)
class Channel:
    """One address of the document."""

    name: str
    topic: re.Pattern[str]
    publications: tuple[Publication, ...]


class Message:
    """One message of the document, which knows whether bytes are of it."""

    def __init__(self, name: str, declared: dict[str, Any], *, strict: bool) -> None:
        self.name = name
        self._strict = strict
        self.layout = declared.get("x-layout")
        self.frame = declared.get("x-frame")
        self.arguments = declared.get("x-arguments")
        self.values = declared.get("x-values")
        self.event_types = declared.get("x-event-types", {})
        if self.layout is None:
            assert declared["payload"]["schemaFormat"] == SCHEMA_FORMAT
            self._header = validator(declared["payload"]["schema"]["$ref"], strict=strict)
        if self.frame is not None:
            self._body = validator(self.frame["body"]["$ref"], strict=strict)

    def check(self, payload: bytes, parameters: dict[str, str]) -> tuple[Any, Any]:
        """The header (or the whole) and the body, read as the document says. Breach.

        `parameters` are those of the topic.
        """
        if self.layout is not None:
            return self._laid_out(payload), None
        if self.frame is None:
            return self._with_arguments(_valid(self._header, _json(payload)), parameters), None
        line, found, packed = payload.partition(b"\n")
        require(bool(found), "there is no header line")
        require(len(line) <= self.frame["header"]["bytesMax"], "the header line is too long")
        require(len(payload) <= self.frame["bytesMax"], "the message is too large")
        header = _valid(self._header, _json(line))
        self._check_digest(header, packed)
        body = _valid(self._body, _json(self._unpacked(header, packed)))
        for event in body if self.event_types else ():
            self._check_event(header, event)
        if "rows" in self.frame:
            rule = self.frame["rows"]
            reference = rule["of"][header[rule["member"]]]["$ref"]
            kind = validator(reference, strict=self._strict)
            for key, *row in body:
                _valid(kind, row[0], f"row {key}") if row else None
        return header, body

    def check_value(self, value: Any, service: str) -> None:
        """Breach unless `value` is an answer of `service`."""
        rule = validator(self.values["of"][service]["$ref"], strict=self._strict)
        _valid(rule, value, f"the value of {service}")

    def _with_arguments(self, whole: Any, parameters: dict[str, str]) -> Any:
        if self.arguments is not None:
            kinds = self.arguments["of"]
            at = self.arguments
            kind = whole[at["member"]] if "member" in at else parameters[at["parameter"]]
            require(kind in kinds, f"no {self.name} is of the type {kind}")
            _valid(validator(kinds[kind]["$ref"], strict=self._strict), whole["args"], "args")
        return whole

    def _check_digest(self, header: Any, packed: bytes) -> None:
        digest = self.frame["digest"]
        if "in" in digest:
            return  # another message has it
        told, digits = header[digest["member"]], digest["hexDigits"]
        found = hashlib.new(digest["algorithm"], packed).hexdigest()[:digits]
        require(found == told, f"the body's digest is {found}, not {told}")

    def _unpacked(self, header: Any, packed: bytes) -> bytes:
        encoding, limit = header[self.frame["packed"]["member"]], self.frame["plainBytesMax"]
        require(encoding in self.frame["packed"]["oneOf"], f"{encoding} is no packing of ours")
        reader: Any = io.BytesIO(packed)
        if encoding == "zstd":
            reader = zstandard.ZstdDecompressor().stream_reader(reader)
        elif encoding == "gzip":
            reader = gzip.GzipFile(fileobj=reader)
        try:
            plain: bytes = reader.read(limit + 1)
        except (zstandard.ZstdError, OSError, EOFError, zlib.error) as error:
            raise Breach(f"the body cannot be unpacked: {error}") from error
        require(len(plain) <= limit, "the body unpacks to too much")
        return plain

    def _check_event(self, header: Any, event: Any) -> None:
        declared = self.event_types.get(event["type"])
        if declared is None:
            require(TESTS_OWN_TYPE.match(event["type"]) is not None, f"no event {event['type']}")
            return
        named = declared["stream"]
        streams = named if isinstance(named, list) else [named]
        require(header["stream"] in streams, f"{event['type']} in {header['stream']}")
        rule = validator(declared["data"]["$ref"], strict=self._strict)
        _valid(rule, event["data"], f"data of {event['type']}")

    def _laid_out(self, payload: bytes) -> dict[str, int]:
        offset, found = 0, {}
        for field in self.layout["fields"]:
            end = offset + field["bits"] // 8
            require(len(payload) >= end, "the message is too short")
            found[field["name"]] = int.from_bytes(payload[offset:end], self.layout["byteOrder"])
            choice = field.get("oneOf")
            require(choice is None or found[field["name"]] in choice, f"{field['name']} is wrong")
            offset = end
        require(len(payload) - offset <= self.layout["restBytesMax"], "the message is too long")
        return found


class Contract:
    """The document with its channels. `strict`: as writers must keep to it, not as readers may."""

    def __init__(self, document: dict[str, Any], *, strict: bool) -> None:
        self.document = document
        self.messages = {
            name: Message(name, declared, strict=strict)
            for name, declared in document["components"]["messages"].items()
        }
        self.channels = [self._channel(name) for name in document["channels"]]

    def channel_of(self, topic: str) -> Channel:
        """The one channel of this topic. Breach if there is none, or more than one."""
        fitting = [channel for channel in self.channels if channel.topic.fullmatch(topic)]
        if len(fitting) != 1:
            names = ", ".join(channel.name for channel in fitting) or "none"
            raise Breach(f"the topic {topic!r} is of these channels: {names}")
        return fitting[0]

    def check(
        self, topic: str, payload: bytes, *, qos: int | None, retain: bool | None
    ) -> tuple[str, str]:
        """The names of the channel and the message. Breach if it is not exactly one of each.

        `qos` or `retain` None: it is not known.
        """
        channel = self.channel_of(topic)
        fitted = channel.topic.fullmatch(topic)
        parameters = fitted.groupdict() if fitted else {}
        found, complaints = [], []
        for publication in channel.publications:
            try:
                publication.message.check(payload, parameters)
                require(qos in (None, publication.qos), f"QoS is {qos}")
                require(retain in (None, publication.retain), f"retain is {retain}")
                found.append(publication.message.name)
            except Breach as breach:
                complaints.append(f"no {publication.message.name}: {breach}")
        if len(found) != 1:
            said = "; ".join(complaints) or f"it is each of {found}"
            raise Breach(f"{topic}: {said}; it began {payload[:200]!r}")
        return channel.name, found[0]

    def said(self, server: str) -> set[tuple[str, str]]:
        """All (channel, message) that can be said at `server`."""
        everywhere = [{"$ref": f"#/servers/{server}"}]
        return {
            (channel.name, publication.message.name)
            for channel in self.channels
            if self.document["channels"][channel.name].get("servers", everywhere) == everywhere
            for publication in channel.publications
        }

    def _channel(self, name: str) -> Channel:
        declared = self.document["channels"][name]
        pattern = re.escape(declared["address"])
        for parameter, rule in declared["parameters"].items():
            named = f"(?P<{parameter}>{self._allowed(rule)})"
            pattern = pattern.replace(re.escape("{" + parameter + "}"), named)
        assert "{" not in re.sub(r"\{\d+,\d+\}", "", pattern), f"{name} lacks a parameter"
        return Channel(name, re.compile(pattern), tuple(self._publications(name)))

    def _allowed(self, rule: dict[str, Any]) -> str:
        rule = self.resolved(rule)
        if "enum" in rule:
            return "|".join(map(re.escape, rule["enum"]))
        return str(rule["x-pattern"].removeprefix("^").removesuffix("$"))

    def _publications(self, name: str) -> list[Publication]:
        found = []
        for operation, declared in self.document["operations"].items():
            if declared["action"] != "send" or self._target(declared["channel"]) != name:
                continue
            mqtt = self.resolved(declared["bindings"])["mqtt"]
            for reference in declared["messages"]:
                message = self.messages[self._target(self.resolved(reference))]
                found.append(Publication(message, mqtt["qos"], mqtt["retain"], operation))
        return found

    def resolved(self, node: dict[str, Any]) -> dict[str, Any]:
        """`node`, or what it refers to within the document."""
        if "$ref" not in node:
            return node
        found: Any = self.document
        for step in node["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return found

    @staticmethod
    def _target(reference: dict[str, Any]) -> str:
        return str(reference["$ref"].rpartition("/")[2])


@cache
def contract(*, strict: bool = True) -> Contract:
    """The document of this tree, read once."""
    text = (FOLDER / "asyncapi.yaml").read_text(encoding="utf-8")
    return Contract(yaml.safe_load(text), strict=strict)


@cache
def validator(reference: str, *, strict: bool) -> Any:
    """What checks against the schema file at `reference`, relative to the document."""
    schema = json.loads((FOLDER / reference).read_text(encoding="utf-8"))
    allowed = _closed(schema) if strict else schema
    return jsonschema_rs.validator_for(allowed, validate_formats=True)


def _closed(schema: Any) -> Any:
    """The same, refusing members that are not described: readers ignore them, writers send none."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    return {"additionalProperties": False, **closed} if "properties" in schema else closed


def require(condition: bool, complaint: str) -> None:
    """Breach with `complaint` unless `condition`."""
    if not condition:
        raise Breach(complaint)


def _json(text: bytes) -> Any:
    require(len(text) <= 4 << 20, "the JSON is too large")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Breach(f"that is no JSON: {error}") from error


def _valid(rule: Any, value: Any, what: str = "it") -> Any:
    try:
        rule.validate(value)
    except (jsonschema_rs.ValidationError, ValueError) as error:
        where = "/".join(map(str, getattr(error, "instance_path", ())))
        message = getattr(error, "message", str(error))
        raise Breach(f"{what} breaks its schema at /{where}: {message[:300]}") from error
    return value
