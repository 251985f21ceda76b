"""From an answer's bytes to plain Python: one tree for JSON and XML, and tolerant readers of its parts.

CCC's documentation and its answers disagree on shapes: a list may come as a single object, as null, as "" or not at
all, a number as text or as an integer, a boolean as text. What is read here is all of these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from xml.etree.ElementTree import Element, ParseError

import msgspec
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from airflow_provider_ccc.client.errors import CccUnexpectedAnswerError, CccUnreadableAnswerError
from airflow_provider_ccc.client.models import DialNumberPair, InstanceNumber, PhoneNumber

Tree = Mapping[str, Any]

_XML_DECLARATION = re.compile(r"^<\?xml[^>]*\?>")
_HTML = re.compile(r"^<(!doctype\s+html|html)\b", re.IGNORECASE)
_decode_json = msgspec.json.Decoder().decode


def parse(body: bytes, action: str) -> Tree:
    """Read an answer, JSON or XML as it comes.

    :param body: the answer's bytes.
    :param action: the operation's name, which an XML answer's root carries.
    :raises CccUnreadableAnswerError: empty, cut short, or a proxy's page.
    :raises CccUnexpectedAnswerError: well-formed, but not an answer to this operation.
    """
    body = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not body:
        raise _unreadable("is empty")
    try:
        tree = _parse_xml(body, action) if body.startswith(b"<") else _decode_json(body)
    except (msgspec.DecodeError, UnicodeDecodeError, ParseError, DefusedXmlException, RecursionError):
        raise _unreadable("is cut short or malformed") from None
    if not isinstance(tree, dict):
        raise _unexpected(f"is a JSON {type(tree).__name__}, not an object")
    return tree


def _parse_xml(body: bytes, action: str) -> Any:
    text = body.decode("utf-8")
    if _HTML.match(text):
        raise _unreadable("is an HTML page, so not CCC's own")
    # The documentation's samples lack their root: with one put around, both kinds are well-formed, and a document
    # type, which entity attacks need, is not.
    wrapped = fromstring(f"<answer>{_XML_DECLARATION.sub('', text, count=1)}</answer>", forbid_dtd=True)
    if len(wrapped) > 1:
        return _to_tree(wrapped)
    for root in wrapped:
        if root.tag in (f"{action}Response", "Error"):
            return _to_tree(root) or {}
    raise _unexpected("does not have this operation's XML root")


def _to_tree(element: Element) -> Any:
    """Make a dictionary of an element's children, a list of those that share a name, and text of a leaf."""
    if not len(element):
        return (element.text or "").strip()
    tree: dict[str, Any] = {}
    for child in element:
        value = _to_tree(child)
        if child.tag not in tree:
            tree[child.tag] = value
        elif isinstance(tree[child.tag], list):
            tree[child.tag].append(value)
        else:
            tree[child.tag] = [tree[child.tag], value]
    return tree


def lower_keys(tree: Tree) -> Tree:
    """Return the envelope's keys in lower case: error bodies have them both ways."""
    return {str(name).lower(): value for name, value in tree.items()}


def text(tree: Tree, name: str) -> str:
    """Read text that may come as an integer; "" where there is none."""
    value = tree.get(name)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value in (None, [], {}):
        return ""
    raise _unexpected(f"has a {type(value).__name__} where {name} should be text")


def integer(tree: Tree, name: str) -> int:
    """Read an integer that may come as text; an absent one is 0."""
    value = text(tree, name).strip() or "0"
    if not (value.isascii() and value.isdecimal() and len(value) < 20):
        raise _unexpected(f"has a {name} that is no count")
    return int(value)


def flag(tree: Tree, name: str) -> bool:
    """Read a boolean that may come as text; an absent one is false."""
    value = tree.get(name)
    # Nothing but text and integers is made text: what is nested deep cannot be.
    return isinstance(value, (str, int)) and str(value).strip().lower() in ("true", "1")


def mapping(tree: Tree, name: str) -> Tree:
    """Read an object that may be absent, null or ""."""
    value = tree.get(name)
    if isinstance(value, dict):
        return value
    if value in (None, "", []):
        return {}
    raise _unexpected(f"has a {type(value).__name__} where {name} should be an object")


def items(tree: Tree, *path: str) -> list[Tree]:
    """Read a list of objects, wherever it may come as one object, null, "", {} or not at all."""
    for name in path[:-1]:
        tree = mapping(tree, name)
    value = tree.get(path[-1])
    if isinstance(value, list):
        if all(isinstance(item, dict) for item in value):
            return value
        raise _unexpected(f"has something other than objects in {path[-1]}")
    single = mapping(tree, path[-1])
    return [single] if single else []


def phone_number(tree: Tree) -> PhoneNumber:
    """Read a number with its city and province."""
    return PhoneNumber(text(tree, "Number"), text(tree, "City"), text(tree, "Province"))


def pair(tree: Tree) -> DialNumberPair:
    """Read a callee with its caller; a pair that lacks either is refused."""
    read = DialNumberPair(phone_number(mapping(tree, "Callee")), phone_number(mapping(tree, "Caller")))
    if not read.callee.number or not read.caller.number:
        raise _unexpected("has a pair without a callee's or a caller's number")
    return read


def pairs(tree: Tree) -> list[Tree]:
    """Read the list of pairs: below ``DialNumberPairs.DialNumberPair``, or in ``DialNumberPairs`` itself.

    The API's metadata has it in the first place, the documentation's table speaks of the second.
    """
    container = tree.get("DialNumberPairs")
    if isinstance(container, dict) and "DialNumberPair" in container:
        return items(tree, "DialNumberPairs", "DialNumberPair")
    return items(tree, "DialNumberPairs")


class _Number(msgspec.Struct, rename="pascal"):
    number: str
    city: str
    province: str


class _Pair(msgspec.Struct, rename="pascal"):
    callee: _Number
    caller: _Number


class _Pairs(msgspec.Struct, rename="pascal"):
    dial_number_pair: list[_Pair]


class _UsualPick(msgspec.Struct, rename="pascal"):
    request_id: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._-]{1,100}\\Z")]
    code: Literal["OK"]
    success: bool
    dial_number_pairs: _Pairs


class _UsualPick2020(msgspec.Struct, rename="pascal"):
    request_id: Annotated[str, msgspec.Meta(pattern="^[A-Za-z0-9._-]{1,100}\\Z")]
    code: Literal["OK"]
    data: list[_Pair]
    success: bool = True  # not documented, but if it says no, it means it


_decode_usual_pick = msgspec.json.Decoder(_UsualPick).decode
_decode_usual_pick_2020 = msgspec.json.Decoder(_UsualPick2020).decode

#: A request id, and pairs.
RequestedPairs = tuple[str, tuple[DialNumberPair, ...]]


def usual_pairs(body: bytes) -> RequestedPairs | None:
    """Read a request id and pairs if every part is there and of the type that it should be; else ``None``."""
    try:
        usual = _decode_usual_pick(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return _requested(usual.request_id, usual.dial_number_pairs.dial_number_pair) if usual.success else None


def usual_pairs_2020(body: bytes) -> RequestedPairs | None:
    """Do what :func:`usual_pairs` does for an answer of 2020-07-01."""
    try:
        usual = _decode_usual_pick_2020(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return _requested(usual.request_id, usual.data) if usual.success else None


def _requested(request_id: str, pairs: list[_Pair]) -> RequestedPairs | None:
    found = []
    for each in pairs:
        callee, caller = each.callee, each.caller
        if not callee.number or not caller.number:
            return None
        found.append(
            DialNumberPair(
                PhoneNumber(callee.number, callee.city, callee.province),
                PhoneNumber(caller.number, caller.city, caller.province),
            )
        )
    return request_id, tuple(found)


def instance_number(tree: Tree) -> InstanceNumber:
    """Read one of an instance's own numbers. Where it does not say whether it may call out, its usage does.

    2020-07-01 has ``Active`` instead, which says no more than that the number works: its usage counts as well.
    """
    usage = text(tree, "Usage")
    says = tree.get("AllowOutbound") not in (None, "")
    inactive = tree.get("Active") not in (None, "") and not flag(tree, "Active")
    return InstanceNumber(
        text(tree, "Number"),
        usage,
        flag(tree, "AllowOutbound") if says else usage.lower() in ("outbound", "bidirection") and not inactive,
        text(tree, "City"),
        text(tree, "Province"),
    )


def _unreadable(what: str) -> CccUnreadableAnswerError:
    return CccUnreadableAnswerError(f"the answer {what}")


def _unexpected(what: str) -> CccUnexpectedAnswerError:
    return CccUnexpectedAnswerError(f"the answer {what}")
