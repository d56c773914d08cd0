# SPDX-License-Identifier: MIT
"""What only HTTP/2 can say wrong. `fields` (with `body`, `ends`, `trailers`): a request of exactly these, judged by h2.verdict unless `expect`
is there; `frames`: bytes as they are. `codes`: what the stream or the connection ends with; `silence`: or it is not even heard."""
import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, WITH_PRIORITY = 1, 4, 8, 32
PROTOCOL, FLOW, CLOSED, FRAME_SIZE, COMPRESSION, CALM = 1, 3, 5, 6, 9, 11


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def number(value, bits=7, first=0):
    """RFC 7541 section 5.1."""
    most = (1 << bits) - 1
    if value < most:
        return bytes([first | value])
    out = [first | most]
    value -= most
    while value >= 128:
        out.append(value % 128 | 128)
        value //= 128
    return bytes(out + [value])


def block(fields):
    """Literals without indexing and without Huffman: whatever the bytes are, they arrive."""
    return b"".join(b"\0" + number(len(name)) + name + number(len(value)) + value for name, value in fields)


CASES = []


def path_of(name):
    return b"/c/" + name.encode()


def start(name, method=b"GET", path=None, authority=b"example.test", scheme=b"http"):
    pseudo = [(b":method", method), (b":scheme", scheme), (b":authority", authority), (b":path", path_of(name) if path is None else path)]
    return [(key, value) for key, value in pseudo if value is not None]


def add(kind, name, fields=(), head=None, **more):
    name = f"h2-{kind}-{name}"
    head = start(name) if head is None else head(name) if callable(head) else head
    CASES.append({"id": name, "class": "h2-" + kind, "fields": [*head, *(fields(name) if callable(fields) else fields)], **more})


def raw(kind, name, frames, expect="reject", **more):
    name = f"h2-{kind}-{name}"
    frames = frames(name)
    CASES.append({"id": name, "class": "h2-" + kind, "frames": [frames] if isinstance(frames, bytes) else frames, "expect": expect, **more})


def smuggled(name):
    return b"GET /s/" + name.encode() + b" HTTP/1.1\r\nHost: example.test\r\n\r\n"


# --- the plain ones: what must pass

add("plain", "get")
add("plain", "post", head=lambda name: start(name, b"POST"), body=b"hello")
add("plain", "post-with-length", [(b"content-length", b"5")], head=lambda name: start(name, b"POST"), body=b"hello")
add("plain", "post-empty", [(b"content-length", b"0")], head=lambda name: start(name, b"POST"))
add("plain", "post-empty-data", head=lambda name: start(name, b"POST"), ends=False, trailers=[])
add("plain", "post-large", head=lambda name: start(name, b"PUT"), body=bytes(range(256)) * 200)
add("plain", "get-with-body", body=b"a body all the same")
add("plain", "trailers", head=lambda name: start(name, b"POST"), body=b"hello", trailers=[(b"x-checksum", b"1"), (b"grpc-status", b"0")])
add("plain", "te-trailers", [(b"te", b"trailers")], forbid=())
add("plain", "host-agrees", [(b"host", b"example.test")])
add("plain", "host-agrees-in-another-case", [(b"host", b"EXAMPLE.test")])
add("plain", "host-alone", [(b"host", b"example.test")], head=lambda name: start(name, authority=None))
add("plain", "scheme-https", head=lambda name: start(name, scheme=b"https"))
add("plain", "options-star", head=lambda name: start(name, b"OPTIONS", path=b"*"), fields=lambda name: [(b"x-case", name.encode())], expect="either")
add("plain", "method-token", head=lambda name: start(name, b"M-SEARCH!~"))
add("plain", "cookies", [(b"cookie", b"a=1"), (b"accept", b"*/*"), (b"cookie", b"b=2"), (b"cookie", b"c=3; d=4")])
add("plain", "one-cookie", [(b"cookie", b"a=1; b=2")])
add("plain", "value-empty", [(b"x-empty", b"")])
add("plain", "value-high", [(b"x-high", b"\xc3\xa9\xff")])
add("plain", "value-tab-inside", [(b"x-tab", b"a\tb")])
add("plain", "value-looks-like-a-line", [(b"x-a", b"b: c")])
add("plain", "name-all-token-characters", [(b"x!#$%&'*+-.^`|~09az", b"1")])
add("plain", "expect-continue", [(b"expect", b"100-continue"), (b"content-length", b"5")], head=lambda name: start(name, b"POST"), body=b"hello")
add("plain", "path-odd-bytes", head=lambda name: start(name, path=b"/a|b\\c\"<>^`{}[]%zz?q=?&/c/" + name.encode()), expect="accept")
add("plain", "authority-port", head=lambda name: start(name, authority=b"example.test:8080"))
add("plain", "authority-v6", head=lambda name: start(name, authority=b"[::1]:80"))

# --- names

for code in [*range(0x21), *range(0x41, 0x5b), *range(0x7f, 0x82), 0xc3, 0xff, *b"\"(),/:;<=>?@[\\]{}"]:
    add("name-byte", f"{code:02x}-inside", [(b"x-a" + bytes([code]) + b"b", b"1")])
for code in (0x00, 0x09, 0x0a, 0x0d, 0x20, 0x3a):
    add("name-byte", f"{code:02x}-first", [(bytes([code]) + b"x-a", b"1")])
    add("name-byte", f"{code:02x}-last", [(b"x-a" + bytes([code]), b"1")])
    add("name-byte", f"{code:02x}-alone", [(bytes([code]), b"1")])
add("name", "empty", [(b"", b"1")])
add("name", "empty-both", [(b"", b"")])
add("name", "a-line-of-its-own", lambda name: [(b"x: y\r\ntransfer-encoding", b"chunked")])
add("name", "a-whole-request", lambda name: [(b"x: y\r\n\r\n" + smuggled(name) + b"x", b"1")])
add("name", "host-in-it", lambda name: [(b"host: evil.test\r\nx", b"1")])
add("name", "content-length-with-colon", lambda name: [(b"content-length: 0\r\nx", b"y")], body=b"x" * 5)
add("name", "upper-content-length", lambda name: [(b"Content-Length", b"0")], head=lambda name: start(name, b"POST"), body=b"hello")
add("name", "upper-transfer-encoding", lambda name: [(b"Transfer-Encoding", b"chunked")], head=lambda name: start(name, b"POST"), body=b"0\r\n\r\n")
add("name", "upper-pseudo", head=lambda name: [(b":Method", b"GET"), *start(name)[1:]])

# --- values

for code in [*range(0x09), *range(0x0a, 0x20), 0x7f]:
    add("value-byte", f"{code:02x}-inside", [(b"x-a", b"b" + bytes([code]) + b"c")])
for code in (0x00, 0x09, 0x0a, 0x0d, 0x20):
    add("value-byte", f"{code:02x}-first", [(b"x-a", bytes([code]) + b"b")])
    add("value-byte", f"{code:02x}-last", [(b"x-a", b"b" + bytes([code]))])
    add("value-byte", f"{code:02x}-alone", [(b"x-a", bytes([code]))])
for name, value in (("crlf-field", b"a\r\nx-injected: 1"), ("lf-field", b"a\nx-injected: 1"), ("cr-field", b"a\rx-injected: 1"), ("crlf-te", b"a\r\nTransfer-Encoding: chunked"),
                    ("crlf-host", b"a\r\nHost: evil.test"), ("fold", b"a\r\n b"), ("crlf-end", b"a\r\n"), ("crlf-crlf", b"a\r\n\r\n"), ("nul-end", b"a\0")):
    add("value", name, [(b"x-a", value)], head=lambda case: start(case, b"POST"), body=b"0\r\n\r\n" + b"x" * 10)
add("value", "a-whole-request", lambda name: [(b"x-a", b"a\r\n\r\n" + smuggled(name))])
add("value", "in-a-cookie", lambda name: [(b"cookie", b"a=1"), (b"cookie", b"b=2\r\nx-injected: 1")])
add("value", "in-a-host", lambda name: [(b"host", b"example.test\r\nx-injected: 1")], head=lambda name: start(name, authority=None))
add("value", "in-user-agent", lambda name: [(b"user-agent", b"x\r\n\r\n" + smuggled(name))])
add("value", "in-forwarded", lambda name: [(b"x-forwarded-for", b"1.2.3.4\r\nx-injected: 1")])

# --- fields that belong to one connection

for name, value in (("connection", b"close"), ("connection", b"keep-alive"), ("connection", b"x-case"), ("connection", b""), ("keep-alive", b"timeout=5"), ("proxy-connection", b"keep-alive"),
                    ("transfer-encoding", b"chunked"), ("transfer-encoding", b"identity"), ("transfer-encoding", b""), ("transfer-encoding", b"gzip, chunked"),
                    ("upgrade", b"websocket"), ("upgrade", b"h2c"), ("te", b"gzip"), ("te", b"trailers, gzip"), ("te", b"chunked"), ("te", b""), ("te", b"trailers;q=1")):
    label = f"{name}-{value.decode().replace(', ', '-').replace(';q=', '-')}".rstrip("-")
    add("hop", label, [(name.encode(), value)])
    add("hop", label + "-post", [(name.encode(), value)], head=lambda case: start(case, b"POST"), body=b"5\r\nhello\r\n0\r\n\r\n")
add("hop", "te-twice", [(b"te", b"trailers"), (b"te", b"gzip")])
add("hop", "http2-settings", [(b"http2-settings", b"AAMAAABkAARAAAAAAAIAAAAA")], expect="either", forbid=(b"http2-settings",))
add("hop", "chunked-and-length", [(b"transfer-encoding", b"chunked"), (b"content-length", b"5")], head=lambda name: start(name, b"POST"), body=b"0\r\n\r\n")
add("hop", "chunked-smuggle", [(b"transfer-encoding", b"chunked")], head=lambda name: start(name, b"POST"), body=b"0\r\n\r\n" + smuggled("h2-hop-chunked-smuggle"))

# --- :path

for name, path in (("empty", b""), ("no-slash", b"c/h2-path-no-slash"), ("asterisk", b"*"), ("absolute", b"http://evil.test/c/h2-path-absolute"), ("absolute-same", b"http://example.test/c/h2-path-absolute-same"),
                   ("hash", b"/c/h2-path-hash#x"), ("space", b"/c/h2-path-space x"), ("space-version", b"/c/h2-path-space-version HTTP/1.1\r\nx: y"), ("space-version-one-line", b"/c/h2-path-space-version-one-line HTTP/1.1"),
                   ("space-first", b" /c/h2-path-space-first"), ("space-last", b"/c/h2-path-space-last "), ("tab", b"/c/h2-path-tab\tx"), ("cr", b"/c/h2-path-cr\rx"), ("lf", b"/c/h2-path-lf\nx"),
                   ("crlf", b"/c/h2-path-crlf\r\nx: y"), ("nul", b"/c/h2-path-nul\0"), ("vt", b"/c/h2-path-vt\x0bx"), ("del", b"/c/h2-path-del\x7f"), ("question", b"?/c/h2-path-question"),
                   ("authority-form", b"example.test:80"), ("high", b"/c/h2-path-high\xff"), ("double-slash", b"//evil.test/c/h2-path-double-slash"), ("scheme-relative", b"https:/c/h2-path-scheme-relative")):
    add("path", name, head=lambda case, path=path: start(case, path=path), fields=lambda case: [(b"x-case", case.encode())])
add("path", "missing", head=lambda name: [field for field in start(name) if field[0] != b":path"], fields=lambda name: [(b"x-case", name.encode())])
add("path", "twice", head=lambda name: [*start(name), (b":path", b"/s/" + name.encode())])
add("path", "twice-the-same", head=lambda name: [*start(name), start(name)[3]])
add("path", "late", head=lambda name: [*start(name)[:3], (b"x-a", b"1"), start(name)[3]])
add("path", "asterisk-post", head=lambda name: start(name, b"POST", path=b"*"), fields=lambda name: [(b"x-case", name.encode())])
add("path", "a-whole-request", head=lambda name: start(name, path=path_of(name) + b" HTTP/1.1\r\nHost: example.test\r\n\r\n" + smuggled(name)))

# --- :authority and Host

for name, authority in (("empty", b""), ("userinfo", b"user@example.test"), ("userinfo-password", b"user:pw@example.test"), ("path", b"example.test/x"), ("question", b"example.test?x"), ("hash", b"example.test#x"),
                        ("space", b"example.test x"), ("space-first", b" example.test"), ("space-last", b"example.test "), ("comma", b"example.test, evil.test"), ("crlf", b"example.test\r\nx: y"), ("lf", b"example.test\ny"), ("nul", b"example.test\0"),
                        ("port-text", b"example.test:http"), ("port-huge", b"example.test:99999"), ("port-minus", b"example.test:-1"), ("port-only", b":80"), ("two-ports", b"example.test:80:80"), ("backslash", b"example.test\\x"),
                        ("v6-open", b"[::1"), ("v6-none", b"[x]"), ("at", b"@example.test"), ("tab", b"example\t.test"), ("quote", b"\"example.test\""), ("percent", b"exa%zzmple.test")):
    add("authority", name, head=lambda case, authority=authority: start(case, authority=authority))
    add("authority", name + "-as-host", [(b"host", authority)], head=lambda case: start(case, authority=None))
add("authority", "missing", head=lambda name: start(name, authority=None))
add("authority", "twice", head=lambda name: [*start(name), (b":authority", b"evil.test")])
add("authority", "twice-the-same", head=lambda name: [*start(name), (b":authority", b"example.test")])
add("authority", "late", head=lambda name: [*start(name, authority=None), (b"x-a", b"1"), (b":authority", b"example.test")])
add("authority", "host-differs", [(b"host", b"evil.test")])
add("authority", "host-differs-by-port", [(b"host", b"example.test:8080")])
add("authority", "host-differs-by-a-dot", [(b"host", b"example.test.")])
add("authority", "host-empty", [(b"host", b"")])
add("authority", "two-hosts", [(b"host", b"example.test"), (b"host", b"example.test")])
add("authority", "two-hosts-that-differ", [(b"host", b"example.test"), (b"host", b"evil.test")], head=lambda name: start(name, authority=None))
add("authority", "two-hosts-without-it", [(b"host", b"example.test"), (b"host", b"example.test")], head=lambda name: start(name, authority=None))

# --- :scheme, :method and others

for name, scheme in (("empty", b""), ("ftp", b"ftp"), ("upper", b"HTTP"), ("space", b"http "), ("crlf", b"http\r\nx: y"), ("url", b"http://evil.test/"), ("javascript", b"javascript"), ("nul", b"http\0")):
    add("scheme", name, head=lambda case, scheme=scheme: start(case, scheme=scheme), **({"expect": "either"} if name == "upper" else {}))
add("scheme", "missing", head=lambda name: start(name, scheme=None))
add("scheme", "twice", head=lambda name: [*start(name), (b":scheme", b"https")])
for name, method in (("connect", b"CONNECT"), ("trace", b"TRACE"), ("empty", b""), ("space", b"GET /s/h2-method-space HTTP/1.1\r\n"), ("two-words", b"GET /s/h2-method-two-words"), ("crlf", b"GET\r\nx"), ("lf", b"GET\n"), ("nul", b"GET\0"),
                     ("colon", b"GET:"), ("slash", b"GET/"), ("high", b"G\xcbT"), ("quote", b"\"GET\""), ("space-first", b" GET"), ("space-last", b"GET "), ("tab", b"GET\t")):
    add("method", name, head=lambda case, method=method: start(case, method))
add("method", "lower", head=lambda name: start(name, b"get"))
add("method", "missing", head=lambda name: start(name, None))
add("method", "twice", head=lambda name: [*start(name), (b":method", b"POST")])
add("method", "late", head=lambda name: [*start(name)[1:], (b"x-a", b"1"), (b":method", b"GET")])
add("method", "connect-proper", head=lambda name: [(b":method", b"CONNECT"), (b":authority", b"example.test:80")], fields=lambda name: [(b"x-case", name.encode())])
add("method", "connect-with-path", head=lambda name: [(b":method", b"CONNECT"), (b":authority", b"example.test:80"), (b":path", path_of(name))])
add("method", "a-whole-request", head=lambda name: start(name, smuggled(name)))
for name, pseudo in (("status", b":status"), ("unknown", b":unknown"), ("colon", b":"), ("double-colon", b"::path"), ("method-space", b":method "), ("fragment", b":fragment")):
    add("pseudo", name, head=lambda case, pseudo=pseudo: [*start(case), (pseudo, b"200")])
add("pseudo", "protocol-without-connect", head=lambda name: [*start(name), (b":protocol", b"websocket")])
add("pseudo", "protocol-unknown", head=lambda name: [*start(name, b"CONNECT"), (b":protocol", b"connect-udp")])
add("pseudo", "protocol-empty", head=lambda name: [*start(name, b"CONNECT"), (b":protocol", b"")])
add("pseudo", "protocol-crlf", head=lambda name: [*start(name, b"CONNECT"), (b":protocol", b"websocket\r\nx: y")])
add("pseudo", "none", head=[], fields=lambda name: [(b"x-case", name.encode())])

# --- Content-Length and DATA

for name, lengths, body in (("more", [b"6"], b"hello"), ("less", [b"4"], b"hello"), ("zero", [b"0"], b"hello"), ("none-came", [b"5"], b""), ("twice", [b"5", b"5"], b"hello"), ("twice-differs", [b"5", b"6"], b"hello"), ("list", [b"5, 5"], b"hello"),
                            ("plus", [b"+5"], b"hello"), ("minus", [b"-5"], b"hello"), ("hex", [b"0x5"], b"hello"), ("space-inside", [b"1 0"], b"hello"), ("text", [b"five"], b"hello"), ("empty", [b""], b"hello"), ("dot", [b"5.0"], b"hello"),
                            ("2p64", [b"18446744073709551621"], b"hello"), ("2p63", [b"9223372036854775808"], b"hello"), ("unicode", ["５".encode()], b"hello"), ("semicolon", [b"5;"], b"hello"), ("quoted", [b"\"5\""], b"hello")):
    add("length", name, [(b"content-length", length) for length in lengths], head=lambda case: start(case, b"POST"), body=body)
    add("length", name + "-get", [(b"content-length", length) for length in lengths], body=body)
add("length", "leading-zeros", [(b"content-length", b"0005")], head=lambda name: start(name, b"POST"), body=b"hello")
add("length", "smuggle-zero", [(b"content-length", b"0")], head=lambda name: start(name, b"POST"), body=smuggled("h2-length-smuggle-zero"))
add("length", "smuggle-short", [(b"content-length", b"3")], head=lambda name: start(name, b"POST"), body=b"x=1" + smuggled("h2-length-smuggle-short"))
add("length", "end-on-head", [(b"content-length", b"5")], head=lambda name: start(name, b"POST"))
raw("length", "later-data", lambda name: [frame(HEADERS, END_HEADERS, 1, block([*start(name, b"POST"), (b"content-length", b"5")])), frame(DATA, 0, 1, b"hello"), frame(DATA, END_STREAM, 1, b"!")])
raw("length", "short-data-then-trailers", lambda name: [frame(HEADERS, END_HEADERS, 1, block([*start(name, b"POST"), (b"content-length", b"9")])), frame(DATA, 0, 1, b"hello"),
                                                        frame(HEADERS, END_HEADERS | END_STREAM, 1, block([(b"x-t", b"1")]))])
raw("length", "padding-is-none", lambda name: frame(HEADERS, END_HEADERS, 1, block([*start(name, b"POST"), (b"content-length", b"5")])) + frame(DATA, PADDED | END_STREAM, 1, b"\x03he\0\0\0"))
raw("length", "padded", lambda name: frame(HEADERS, END_HEADERS, 1, block([*start(name, b"POST"), (b"content-length", b"5")])) + frame(DATA, PADDED | END_STREAM, 1, b"\x03hello\0\0\0"), "accept")

# --- trailers

for name, trailers in (("method", [(b":method", b"POST")]), ("path", [(b":path", b"/s/h2-trailer-path")]), ("status", [(b":status", b"200")]), ("pseudo-last", [(b"x-t", b"1"), (b":authority", b"evil.test")]), ("crlf", [(b"x-t", b"1\r\nx: y")]),
                       ("name-crlf", [(b"x: y\r\nz", b"1")]), ("upper", [(b"X-T", b"1")]), ("connection", [(b"connection", b"close")]), ("transfer-encoding", [(b"transfer-encoding", b"chunked")]), ("nul", [(b"x-t", b"\0")]), ("space", [(b"x-t", b" 1")]),
                       ("empty-name", [(b"", b"1")])):
    add("trailer", name, head=lambda case: start(case, b"POST"), body=b"hello", trailers=trailers)
for name, field in (("content-length", (b"content-length", b"99")), ("host", (b"host", b"evil.test")), ("authorization", (b"authorization", b"Basic eDp5")), ("forwarded", (b"x-forwarded-for", b"1.2.3.4")), ("cookie", (b"cookie", b"a=1"))):
    add("trailer", "dropped-" + name, head=lambda case: start(case, b"POST"), body=b"hello", trailers=[field, (b"x-ok", b"1")], expect="either")
raw("trailer", "without-end", lambda name: frame(HEADERS, END_HEADERS, 1, block(start(name, b"POST"))) + frame(DATA, 0, 1, b"hello") + frame(HEADERS, END_HEADERS, 1, block([(b"x-t", b"1")])))
raw("trailer", "data-after", lambda name: frame(HEADERS, END_HEADERS, 1, block(start(name, b"POST"))) + frame(DATA, 0, 1, b"hello") + frame(HEADERS, END_HEADERS | END_STREAM, 1, block([(b"x-t", b"1")])) + frame(DATA, END_STREAM, 1, b"!"),
    "either")

# --- size

add("size", "value-31k", [(b"x-large", b"v" * 31000)], expect="accept")
add("size", "value-40k", [(b"x-large", b"v" * 40000)], expect="reject")
add("size", "value-200k", [(b"x-large", b"v" * 200000)], expect="reject")
add("size", "name-40k", [(b"x" * 40000, b"v")], expect="reject")
add("size", "path-40k", head=lambda name: start(name, path=path_of(name) + b"?" + b"q" * 40000), expect="reject")
add("size", "fields-99", [(b"x-%d" % i, b"v") for i in range(99)], expect="accept")
add("size", "fields-101", [(b"x-%d" % i, b"v") for i in range(101)], expect="reject")
add("size", "fields-2000", [(b"x-%d" % i, b"v") for i in range(2000)], expect="reject")
add("size", "cookie-crumbs-90", [(b"cookie", b"a%d=1" % i) for i in range(90)], expect="accept")
add("size", "name-of-256-and-length", lambda name: [(b"content-length" + b"a" * 242, b"0"), (b"content-length", b"5")], head=lambda name: start(name, b"POST"), body=b"hello", expect="accept")

# --- frames


def plain(name, flags=END_HEADERS | END_STREAM, stream=1, method=b"GET", more=()):
    return frame(HEADERS, flags, stream, block([*start(name, method), *more]))


def halves(name):
    coded = block([*start(name), (b"x-pad", b"y" * 50)])
    return coded[:40], coded[40:]


raw("frame", "continuation", lambda name: frame(HEADERS, END_STREAM, 1, halves(name)[0]) + frame(CONTINUATION, END_HEADERS, 1, halves(name)[1]), "accept")
raw("frame", "continuation-a-byte-each", lambda name: frame(HEADERS, END_STREAM, 1, block(start(name))[:-6]) + b"".join(
    frame(CONTINUATION, END_HEADERS if i == 5 else 0, 1, block(start(name))[-6:][i:i + 1]) for i in range(6)), "accept")
for kind, between in (("data", frame(DATA, 0, 1, b"x")), ("ping", frame(PING, 0, 0, b"12345678")), ("settings", frame(SETTINGS)), ("window", frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1")), ("priority", frame(PRIORITY, 0, 1, b"\0\0\0\0\x10")),
                      ("unknown", frame(0xee, 0, 0, b"x")), ("other-stream", frame(CONTINUATION, END_HEADERS, 3, b"")), ("reset", frame(RST_STREAM, 0, 1, b"\0\0\0\x08"))):
    raw("frame", "continuation-interleaved-" + kind, lambda name, between=between: frame(HEADERS, END_STREAM, 1, halves(name)[0]) + between + frame(CONTINUATION, END_HEADERS, 1, halves(name)[1]), codes=(PROTOCOL,))
raw("frame", "continuation-interleaved-head", lambda name: frame(HEADERS, END_STREAM, 1, halves(name)[0]) + plain(name, stream=3) + frame(CONTINUATION, END_HEADERS, 1, halves(name)[1]), codes=(PROTOCOL,))
raw("frame", "continuation-alone", lambda name: frame(CONTINUATION, END_HEADERS, 1, block(start(name))), codes=(PROTOCOL,))
raw("frame", "continuation-after-the-end", lambda name: frame(HEADERS, END_STREAM | END_HEADERS, 1, block(start(name))) + frame(CONTINUATION, END_HEADERS, 1, b""), "either", codes=(PROTOCOL,))
raw("frame", "stream-zero", lambda name: plain(name, stream=0), codes=(PROTOCOL,))
raw("frame", "stream-even", lambda name: plain(name, stream=2), codes=(PROTOCOL,), stream=2)
raw("frame", "stream-backwards", lambda name: frame(HEADERS, END_HEADERS | END_STREAM, 5, block([*start("hello"), ])) + plain(name, stream=3), codes=(PROTOCOL, CLOSED), stream=3, silence=True)
raw("frame", "stream-reserved-bit", lambda name: frame(HEADERS, END_HEADERS | END_STREAM, 0x80000001, block(start(name))), "accept")
raw("frame", "data-on-zero", lambda name: frame(DATA, 0, 0, b"x") + plain(name), codes=(PROTOCOL,))
raw("frame", "data-on-idle", lambda name: frame(DATA, 0, 7, b"x") + plain(name), "reject", codes=(PROTOCOL, CLOSED))
raw("frame", "head-twice", lambda name: plain(name, END_HEADERS, method=b"POST") + plain(name, END_HEADERS, method=b"POST"), codes=(PROTOCOL,))
raw("frame", "head-again-after-the-end", lambda name: plain(name) + plain(name), "either")
raw("frame", "priority-on-itself", lambda name: frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, b"\0\0\0\x01\x10" + block(start(name))), codes=(PROTOCOL,))
raw("frame", "priority", lambda name: frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, b"\x80\0\0\0\x10" + block(start(name))), "accept")
raw("frame", "padded", lambda name: frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, b"\x05" + block(start(name)) + b"\0" * 5), "accept")
raw("frame", "padding-longer-than-the-frame", lambda name: frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, b"\xff" + block(start(name))), codes=(PROTOCOL,))
raw("frame", "data-padding-longer-than-the-frame", lambda name: plain(name, END_HEADERS, method=b"POST") + frame(DATA, PADDED | END_STREAM, 1, b"\x09hello"), codes=(PROTOCOL,))
raw("frame", "too-large", lambda name: plain(name, END_HEADERS, method=b"POST") + frame(DATA, END_STREAM, 1, b"x" * 16385), codes=(FRAME_SIZE,))
raw("frame", "head-too-large", lambda name: frame(HEADERS, END_HEADERS | END_STREAM, 1, block([*start(name), (b"x-pad", b"y" * 16384)])), codes=(FRAME_SIZE,))
raw("frame", "push-promise", lambda name: frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\2" + block(start(name))), codes=(PROTOCOL,))
raw("frame", "unknown-kinds-between", lambda name: frame(0xee, 0xff, 0, b"x" * 100) + plain(name) + frame(0x0f, 0, 1, b""), "accept")
raw("frame", "window-zero", lambda name: frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\0") + plain(name), codes=(PROTOCOL,))
raw("frame", "window-overflow", lambda name: frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff") * 2 + plain(name), codes=(FLOW,))
raw("frame", "settings-on-a-stream", lambda name: frame(SETTINGS, 0, 1, b"") + plain(name), codes=(PROTOCOL,))
raw("frame", "settings-of-five-bytes", lambda name: frame(SETTINGS, 0, 0, b"12345") + plain(name), codes=(FRAME_SIZE,))
raw("frame", "settings-window-too-large", lambda name: frame(SETTINGS, 0, 0, b"\0\x04\x80\0\0\0") + plain(name), codes=(FLOW,))
raw("frame", "settings-ack-with-bytes", lambda name: frame(SETTINGS, 1, 0, b"\0\x04\0\0\0\0") + plain(name), codes=(FRAME_SIZE,))
raw("frame", "ping-of-seven-bytes", lambda name: frame(PING, 0, 0, b"1234567") + plain(name), codes=(FRAME_SIZE,))
raw("frame", "reset-on-idle", lambda name: frame(RST_STREAM, 0, 9, b"\0\0\0\x08") + plain(name), codes=(PROTOCOL,))
raw("frame", "reset-of-three-bytes", lambda name: plain(name, END_HEADERS, method=b"POST") + frame(RST_STREAM, 0, 1, b"\0\0\0"), codes=(FRAME_SIZE,))
raw("frame", "http-1-after-the-preface", lambda name: smuggled(name))
raw("frame", "preface-twice", lambda name: PREFACE + frame(SETTINGS) + plain(name), "reject")

# --- HPACK

raw("hpack", "index-zero", lambda name: frame(HEADERS, END_HEADERS | END_STREAM, 1, block(start(name)) + b"\x80"), codes=(COMPRESSION,))
raw("hpack", "index-beyond", lambda name: frame(HEADERS, END_HEADERS | END_STREAM, 1, block(start(name)) + b"\xff\x20"), codes=(COMPRESSION,))
raw("hpack", "number-overflows", lambda name: frame(HEADERS, END_HEADERS | END_STREAM, 1, block(start(name)) + b"\xff" + b"\xff" * 12 + b"\x01"), codes=(COMPRESSION,))
raw("hpack", "string-longer-than-the-block", lambda name: frame(HEADERS, END_HEADERS | END_STREAM, 1, block(start(name)) + b"\0\x03x-a\x7f\xff\xff\x03v"), codes=(COMPRESSION,))
raw("hpack", "huffman-of-eos", lambda name: frame(HEADERS, END_HEADERS | END_STREAM, 1, block(start(name)) + b"\0\x03x-a\x84\xff\xff\xff\xff"), codes=(COMPRESSION,))
raw("hpack", "huffman-padding-of-zeros", lambda name: frame(HEADERS, END_HEADERS | END_STREAM, 1, block(start(name)) + b"\0\x03x-a\x81\x00"), codes=(COMPRESSION,))
raw("hpack", "table-size-too-large", lambda name: frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x3f\xff\xff\x03" + block(start(name))), codes=(COMPRESSION,))
raw("hpack", "table-size-late", lambda name: frame(HEADERS, END_HEADERS | END_STREAM, 1, block(start(name)) + b"\x20"), codes=(COMPRESSION,))
raw("hpack", "block-cut", lambda name: frame(HEADERS, END_HEADERS | END_STREAM, 1, block([*start(name), (b"x-a", b"123456")])[:-3]), codes=(COMPRESSION,))
raw("hpack", "huffman-crlf", lambda name: frame(HEADERS, END_HEADERS | END_STREAM, 1, block(start(name)) + b"\0\x03x-a\x89\xff\xff\xff\x9f\xff\xff\xff\x2f\xff"), "reject")
raw("hpack", "empty-block", lambda name: frame(HEADERS, END_HEADERS | END_STREAM, 1, b""), codes=(PROTOCOL,))
raw("hpack", "from-the-table", lambda name: frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x40\x03x-a\x03abc\xbe"[:0] + block(start(name)) + b"\x40\x03x-a\x03abc" + b"\xbe" * 3), "accept")
