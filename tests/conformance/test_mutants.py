"""Nothing in how requests are signed can be changed without a test that notices.

Of client/signing.py and client/signers.py, every part that does something is changed, one change at a time, and each
changed module is held against the vectors and against what the official SDKs sign.
"""

from __future__ import annotations

import ast
import copy
import os
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

import pytest

from airflow_provider_ccc.client import signers, signing
from airflow_provider_ccc.client.credentials import AccessKey
from airflow_provider_ccc.client.endpoint import parse_endpoint
from airflow_provider_ccc.client.errors import CccParameterError
from airflow_provider_ccc.client.operations_2017 import GetInstance, PickOutboundNumbers
from tests.conformance.cases import PLAIN, PUNCTUATION, Case, random_cases
from tests.conformance.witnesses import official_authorizations_v3, official_signatures_v1, official_string_to_sign
from tests.support import fixture

VECTORS_V1 = fixture("signature_v1.json")["vectors"]
VECTORS_V3 = [vector for vector in fixture("signature_v3.json")["vectors"] if "canonical_request" in vector]
ENDPOINT = parse_endpoint("")

# --- what is changed --------------------------------------------------------------------------------------------------


#: What Python's own tables take in either case.
CASELESS = {"ascii", "sha1", "sha256"}


@dataclass
class Mutant:
    """A module with one change."""

    name: str
    tree: ast.Module


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _skipped(node: ast.AST) -> bool:
    """Say what is left out, by rule: whatever cannot change what is sent, nor what is shown.

    - imports: what is missing is a NameError at the first call, which proves nothing;
    - docstrings; annotations; names declared for the type checker alone;
    - the size of a cache; ``strict``, which is an assertion of the code about itself; and which characters are ``safe``
      besides those that ``quote`` never encodes: there are none, and the slash, which is its default, is tried instead;
    - a ``raise NotImplementedError``: no request comes from there.
    """
    return (
        isinstance(node, ast.Import | ast.ImportFrom)
        or _is_docstring(node)
        or (isinstance(node, ast.keyword) and node.arg in ("maxsize", "strict", "safe"))
        or (isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name) and node.exc.id == "NotImplementedError")
    )


def _counts(node: ast.AST) -> bool:
    """Say whether a node sets the number of forks. It is only ever compared with itself: that it changes counts."""
    target = {ast.AnnAssign: "target", ast.AugAssign: "target"}.get(type(node))
    place = getattr(node, target) if target else node.targets[0] if isinstance(node, ast.Assign) else None
    return (isinstance(place, ast.Name) and place.id == "forks") or (
        isinstance(place, ast.Attribute) and place.attr == "forks"
    )


def _annotations(node: ast.AST) -> set[str]:
    """Name the fields of a node that hold annotations; the base classes of a struct are none."""
    return {"annotation", "returns", "type_comment"} & set(node._fields)


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Give every other node that may stand in a node's place."""

    def changed(what: str, **fields: Any) -> tuple[str, ast.AST]:
        other = copy.deepcopy(node)
        for name, value in fields.items():
            setattr(other, name, value)
        return what, other

    match node:
        case ast.Constant(value=bool(value)):
            yield changed("flip", value=not value)
        case ast.Constant(value=None):
            yield changed("not None", value="")
        case ast.Constant(value=int(value)):
            yield changed("one more", value=value + 1)
            yield changed("one less", value=value - 1)
        case ast.Constant(value=str(value)):
            swapped = {"sha1": "sha256", "sha256": "sha1"}.get(value, f"{value}X")
            yield changed("other text", value=swapped)
            if value:
                yield changed("no text", value="")
                yield changed("shorter text", value=value[:-1])
                if value.swapcase() != value and value not in CASELESS:
                    yield changed("other case", value=value.swapcase())
        case ast.Compare(ops=[op]):
            opposite = {
                **{ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is},
                **{ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Lt: ast.GtE, ast.GtE: ast.Lt},
            }
            yield changed("opposite", ops=[opposite[type(op)]()])
        case ast.BoolOp(op=op, values=values):
            yield changed("and/or", op=ast.Or() if isinstance(op, ast.And) else ast.And())
            for place in range(len(values)):
                kept = [value for other, value in enumerate(values) if other != place]
                yield f"without operand {place}", kept[0] if len(kept) == 1 else changed("", values=kept)[1]
        case ast.BinOp(left=left, right=right):
            yield "left only", left
            yield "right only", right
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield "without not", operand
        case ast.Call(func=func, args=args):
            if isinstance(func, ast.Attribute) and not isinstance(func.value, ast.Call):
                yield "the receiver", func.value
            elif isinstance(func, ast.Attribute):
                yield "the receiver's call", func.value
            for place, argument in enumerate(args):
                if not isinstance(argument, ast.Starred | ast.GeneratorExp):
                    yield f"argument {place} itself", argument
            for place, keyword in enumerate(node.keywords):
                if keyword.arg == "safe":
                    others = node.keywords[:place] + node.keywords[place + 1 :]
                    yield changed("the slash is safe", keywords=others)
            if len(args) == 2 and not any(isinstance(argument, ast.Starred) for argument in args):
                yield changed("arguments swapped", args=args[::-1])
        case ast.Subscript(value=value, slice=ast.Slice(lower=lower, step=step)) if isinstance(node.ctx, ast.Load):
            yield "not sliced", value
            start = lower.value if isinstance(lower, ast.Constant) else 0
            other = ast.Slice(lower=ast.Constant(start + 1), upper=None, step=step)
            yield changed("slice further on", slice=other)
        case ast.Dict(keys=keys, values=values):
            for place in range(len(keys)):
                rest = [each for each in range(len(keys)) if each != place]
                yield changed(f"without entry {place}", keys=[keys[i] for i in rest], values=[values[i] for i in rest])
        case ast.Set(elts=elements) | ast.Tuple(elts=elements) if (
            isinstance(getattr(node, "ctx", ast.Load()), ast.Load) and len(elements) > 1
        ):
            for place in range(len(elements)):
                yield changed(f"without element {place}", elts=elements[:place] + elements[place + 1 :])
        case ast.JoinedStr(values=values):
            for place in range(len(values)):
                yield changed(f"without part {place}", values=values[:place] + values[place + 1 :])
        case ast.IfExp(body=body, orelse=orelse):
            yield "always", body
            yield "never", orelse
        case ast.AugAssign(op=ast.Add()):
            yield changed("-=", op=ast.Sub())
        case _:
            pass


def _statement_changes(node: ast.stmt) -> Iterator[tuple[str, ast.stmt | None]]:
    match node:
        case ast.If():
            # A short way may always be left untaken: it gives what the long way gives, and is there for speed.
            short_way = isinstance(node.body[0], ast.Return) and isinstance(node.body[0].value, ast.Name)
            for value in (True,) if short_way else (True, False):
                other = copy.deepcopy(node)
                other.test = ast.Constant(value)
                yield f"if {value}", other
        case ast.Return(value=value) if value is not None:
            yield "return None", ast.Return(ast.Constant(None))
        case ast.FunctionDef() | ast.ClassDef() | ast.Return() | ast.AnnAssign(value=None):
            pass
        case _:
            yield "removed", ast.Pass()


def _replace(tree: ast.Module, path: tuple[tuple[str, int | None], ...], new: ast.AST) -> ast.Module:
    """Copy a tree with another node at a place. What does not lie on the way there is shared."""
    other = copy.copy(tree)
    node: Any = other
    for field, place in path[:-1]:
        inner = getattr(node, field)
        if place is None:
            setattr(node, field, copy.copy(inner))
            node = getattr(node, field)
        else:
            setattr(node, field, [copy.copy(each) if at == place else each for at, each in enumerate(inner)])
            node = getattr(node, field)[place]
    field, place = path[-1]
    if place is None:
        setattr(node, field, new)
    else:
        setattr(node, field, [new if at == place else each for at, each in enumerate(getattr(node, field))])
    return ast.fix_missing_locations(other)


def mutants(source: str) -> Iterator[Mutant]:
    """Make every mutant of a module."""
    tree = ast.parse(source)

    def walk(node: ast.AST, path: tuple[tuple[str, int | None], ...], where: str) -> Iterator[Mutant]:
        if _skipped(node):
            return
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            where = f"{where}.{node.name}".lstrip(".")
        if path:
            line, shown = getattr(node, "lineno", "?"), ast.unparse(node).partition("\n")[0][:60]
            changes: list[tuple[str, Any]] = [] if _counts(node) else list(_changes(node))
            if isinstance(node, ast.stmt):
                changes += _statement_changes(node)
            for what, new in changes:
                yield Mutant(f"{where}:{line} {shown!r} {what}", _replace(tree, path, new))
        if _counts(node):
            return
        for field, value in ast.iter_fields(node):
            if field in _annotations(node):
                continue
            if isinstance(value, ast.AST):
                yield from walk(value, (*path, (field, None)), where)
            elif isinstance(value, list):
                for place, inner in enumerate(value):
                    if isinstance(inner, ast.AST):
                        yield from walk(inner, (*path, (field, place)), where)

    yield from walk(tree, (), "")


# --- what must notice -------------------------------------------------------------------------------------------------


@cache
def cases() -> tuple[Case, ...]:
    """Take some of each version's calls that between them have every kind of parameter."""
    return tuple(
        case for version in ("2017-07-05", "2020-07-01") for case in random_cases(version, 24, 1, (PLAIN, PUNCTUATION))
    )


def _decoded(encoded: str) -> dict[str, str]:
    pairs = parse_qsl(encoded, keep_blank_values=True, strict_parsing=bool(encoded))
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def _timestamp(second: int) -> str:
    """Write the time another way than the client does."""
    year, month, day, hour, minute, at, *_ = time.gmtime(second)
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{at:02d}Z"


def vectors_hold(signing: Any) -> None:
    for vector in VECTORS_V1:
        assert signing.canonical_query(vector["params"]) == vector["canonicalized_query_string"]
        text = signing.string_to_sign(vector["method"], vector["params"])
        assert text == vector["string_to_sign"]
        assert signing.signature_v1(text, vector["access_key_secret"]) == vector["signature"]
    for vector in VECTORS_V3:
        query = signing.canonical_query(vector["query"])
        request = signing.canonical_request(vector["method"], query, vector["headers"], vector["hashed_payload"])
        assert request == vector["canonical_request"]
        signature = signing.signature_v3(signing.string_to_sign_v3(request), vector["access_key_secret"])
        assert signing.authorization(vector["access_key_id"], vector["headers"], signature) == vector["authorization"]
    for text in ("aZ09-_.~ +*/&=%", "é中", "é1", "", "²", "A~", "a b"):
        assert signing.encode_base64("+/=Aa0") == "%2B%2F%3DAa0"
        assert signing.percent_encode(text) == "".join(
            character
            if character.isascii() and (character.isalnum() or character in "-_.~")
            else "".join(f"%{byte:02X}" for byte in character.encode())
            for character in text
        )
    assert signing.canonical_query({"a b": "1", "é": "2"}) == "a%20b=1&%C3%A9=2"
    padded = {"b": " v\t", "a": "w"}
    assert signing.canonical_request("GET", "", padded, "00") == "GET\n/\n\na:w\nb:v\n\na;b\n00"


def templates_hold(signing: Any) -> None:
    """Whatever is filled in, and wherever the gaps are: at the beginning, side by side, at the end, or nowhere."""
    for fixed, values in (
        ({"b": "1"}, {"a": "x y", "c": "中"}),
        ({}, {"a": "1", "b": "2"}),
        ({"a": "1", "b": "é"}, {}),
        ({"a": "old"}, {"a": "new"}),
    ):
        for encode in (signing.percent_encode, lambda value: signing.percent_encode(signing.percent_encode(value))):
            once = encode is signing.percent_encode
            write = signing.canonical_query if once else lambda each: signing.string_to_sign("POST", each)
            template = signing.Template(write, fixed, values.keys(), encode)
            for _ in range(2):
                assert template.fill(values) == write({**fixed, **values})


def requests_hold(signers: Any) -> None:
    for case in cases():
        key, own = case.key, case.operation.parameters()
        secrets = (key.access_key_secret, *([key.security_token] if key.security_token is not None else []))

        signer = signers.SIGNATURES["v1"](ENDPOINT, case.operation, key, case.second)
        sent = signer.sign(case.operation, case.nonce)
        query, form = _decoded(urlsplit(sent.url).query), _decoded(sent.body.decode("ascii"))
        assert sent.url.startswith("https://ccc.cn-shanghai.aliyuncs.com/?")
        assert query == {"Action": case.operation.action, "Version": case.operation.version}
        signature = form.pop("Signature")
        common = {
            "Format": "JSON",
            "AccessKeyId": key.access_key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": case.nonce,
            "Timestamp": _timestamp(case.second),
            **({} if key.security_token is None else {"SecurityToken": key.security_token}),
        }
        assert form == common | own
        assert sent.string_to_sign == official_string_to_sign("POST", query | form)
        assert set(official_signatures_v1("POST", query | form, key.access_key_secret)) == {signature}
        assert (sent.method, sent.headers, sent.secrets) == ("POST", {}, (signature, *secrets))

        signer = signers.SIGNATURES["v3"](ENDPOINT, case.operation, key, case.second)
        # Twice: what one request leaves behind must not be in the next.
        for nonce in ("other", case.nonce):
            sent = signer.sign(case.operation, nonce)
        headers = {**sent.headers, "host": ENDPOINT.authority, "content-type": "application/x-www-form-urlencoded"}
        written = headers.pop("Authorization")
        assert headers == {
            "host": "ccc.cn-shanghai.aliyuncs.com",
            "content-type": "application/x-www-form-urlencoded",
            "x-acs-action": case.operation.action,
            "x-acs-version": case.operation.version,
            "x-acs-date": _timestamp(case.second),
            "x-acs-signature-nonce": case.nonce,
            "x-acs-content-sha256": signing.sha256_hex(sent.body),
            **({} if key.security_token is None else {"x-acs-security-token": key.security_token}),
        }
        assert not {"host", "content-type"} & sent.headers.keys()
        assert headers["content-type"] == signers.CONTENT_TYPE
        assert (sent.method, sent.url, _decoded(sent.body.decode("ascii"))) == ("POST", f"{ENDPOINT.url}/", own)
        official = official_authorizations_v3("POST", {}, headers, sent.body, key.access_key_id, key.access_key_secret)
        assert set(official) == {written}
        assert sent.secrets == (written.rpartition("=")[2], *secrets)
        digest = signing.sha256_hex(sent.body)
        assert sent.string_to_sign == signing.string_to_sign_v3(signing.canonical_request("POST", "", headers, digest))


def signers_are_safe(signers: Any) -> None:
    """What is reused is never stale, nothing secret is shown, no header can be made to begin another."""
    assert {"v1": signers.SignerV1, "v3": signers.SignerV3} == signers.SIGNATURES
    assert signers.DEFAULT_SIGNATURES == {"2017-07-05": "v1", "2020-07-01": "v3"}
    pick = PickOutboundNumbers(instance_id="i", callee_number="13800138000", candidate_numbers=["01089767654"])
    other = PickOutboundNumbers(instance_id="i", callee_number="13800138000", candidate_numbers=["02160664656"])
    key = AccessKey("testid", "testsecret", "token")
    for kind in signers.SIGNATURES.values():
        signer = kind(ENDPOINT, pick, key, 7)
        assert signer.serves(pick, key, 7) is True
        assert signer.serves(pick.for_callee("13900139000"), key, 7) is True
        for stale in ((other, key, 7), (pick, AccessKey("testid", "testsecret", "token"), 7), (pick, key, 8)):
            assert signer.serves(*stale) is False
        for callee in ("13800138000", "13900139000"):
            sent = signer.sign(pick.for_callee(callee), "n")
            assert _decoded(sent.body.decode("ascii"))["CalleeNumber"] == callee
        assert repr(sent) == f"SignedRequest(POST, {sent.url})"
        assert sent.__rich_repr__() == [("method", "POST"), ("url", sent.url)]
        with pytest.raises(AttributeError):
            sent.method = "GET"
        # Of an operation of which nothing is known to be the same, each is signed on its own.
        unknown = GetInstance(instance_id="i")
        assert kind(ENDPOINT, unknown, key, 7).serves(unknown, key, 7) is False
    assert signers.SignedRequest("POST", "u", {}, b"", "").secrets == ()
    for bad, field in (
        (AccessKey("id\r\nX: y", "s"), "login (AccessKey ID)"),
        (AccessKey("é", "s"), "login (AccessKey ID)"),
        (AccessKey("id", "s", "a\nb"), "security_token (STS token)"),
        (AccessKey("id", "s", "é"), "security_token (STS token)"),
    ):
        with pytest.raises(CccParameterError) as caught:
            signers.SignerV3(ENDPOINT, pick, bad, 7)
        assert caught.value.parameter == field
        assert str(caught.value).endswith(f"{field}: has characters that cannot be sent in a header")

    nonces = signers.Nonces()
    given = [nonces() for _ in range(20)]
    assert [int(nonce[24:], 16) for nonce in given] == list(range(1, 21))
    assert all(len(nonce) == 32 and nonce[:24] == given[0][:24] and nonce == nonce.lower() for nonce in given)
    assert signers.Nonces()()[:24] != given[0][:24]
    assert len(set(given[0][:24])) > 1
    # In a child, which has its parent's memory, they begin anew, once.
    (forked,) = signers.registered
    assert forked.keys() == {"after_in_child"}
    for _ in range(2):
        before = nonces.__dict__.copy()
        forked["after_in_child"]()
        first, second = nonces(), nonces()
        assert first[:24] == second[:24] != before["_beginning"]
        assert (first[24:], second[24:]) == ("00000001", "00000002")


# --- bringing them together -------------------------------------------------------------------------------------------


def load(module: types.ModuleType, code: types.CodeType, **replaced: Any) -> types.ModuleType:
    """Run a module's changed code as a module of its own.

    :param replaced: what it has imported, and gets in another's place.
    """
    made = types.ModuleType(f"{module.__name__}_mutant")
    registered: list[dict[str, Any]] = []
    sys.modules[made.__name__] = made
    with mock.patch.object(os, "register_at_fork", lambda **hooks: registered.append(hooks)):
        exec(code, made.__dict__)  # noqa: S102
    made.__dict__.update(replaced, registered=registered)
    return made


def source_of(module: types.ModuleType) -> str:
    return Path(str(module.__file__)).read_text(encoding="utf-8")


def verify_signing(code: types.CodeType) -> None:
    changed = load(signing, code)
    vectors_hold(changed)
    templates_hold(changed)
    requests_hold(load(signers, compile(source_of(signers), "signers", "exec"), signing=changed))


def verify_signers(code: types.CodeType) -> None:
    changed = load(signers, code)
    requests_hold(changed)
    signers_are_safe(changed)


MODULES: list[tuple[types.ModuleType, Callable[[types.CodeType], None]]] = [
    (signing, verify_signing),
    (signers, verify_signers),
]


@pytest.mark.parametrize(("module", "verify"), MODULES, ids=["signing", "signers"])
def test_every_mutant_is_noticed(module: types.ModuleType, verify: Callable[[types.CodeType], None]) -> None:
    source = source_of(module)
    verify(compile(source, module.__name__, "exec"))  # as it is, it is right
    noticed, survivors = 0, []
    for mutant in mutants(source):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # some mutants look odd to the compiler
                code = compile(mutant.tree, module.__name__, "exec")
            verify(code)
        except (Exception, pytest.fail.Exception):
            noticed += 1
        else:
            survivors.append(mutant.name)
    print(f"{module.__name__}: {noticed} mutants noticed, {len(survivors)} not")  # noqa: T201
    assert survivors == []
    assert noticed > 200  # or the mutator makes too few to mean anything
