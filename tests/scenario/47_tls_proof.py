# SPDX-License-Identifier: MIT
"""TLS as strangers judge it: curl, openssl, uacme's hook and testssl.sh."""
import json
import os
import re
import shutil
import ssl
import subprocess

from certificates import Authority, TlsWire
from kit import PATIENCE, VARIANT, Skipped, free_port, get, plain, scenario

# What testssl.sh looks at that drover decides: protocols, ciphers, forward secrecy, preferences, what the handshake shows, and all known
# vulnerabilities. (Headers and what a certificate says are its owner's.)
TESTSSL = ("--protocols", "--std", "--fs", "--server-preference", "--server-defaults", "--vulnerable")
WORSE_THAN_LOW = {"MEDIUM", "HIGH", "CRITICAL", "FATAL"}


def tool(name):
    if not shutil.which(name):
        raise Skipped(f"{name} is not there")
    return name


def run(*command, input="", within=20, environment=None):
    return subprocess.run(command, capture_output=True, text=True, input=input, timeout=within * PATIENCE, env={**os.environ, **(environment or {})})


def in_front(stage, tls, **top):
    port = free_port()
    drover = stage.web(plain(), workers=2, top={"listen": [f"127.0.0.1:{free_port()}", {"address": f"127.0.0.1:{port}", "tls": tls}], **top})
    return drover, port


def s_client(port, *arguments, input="", within=20):
    result = run("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "a.test", *arguments, input=input, within=within)
    return result.stdout + result.stderr


def counter(drover, name):
    return int(re.search(rf"^drover_{name}(?:_total)? (\d+)$", drover.page("/metrics").text, re.M)[1])


@scenario()
def of_two_certificates_for_one_name_each_client_gets_the_one_it_can_verify(stage):
    authority = Authority(stage)
    _, port = in_front(stage, [authority.issue("a.test"), authority.issue("a.test", kind=("rsa", "rsa_keygen_bits:2048")), authority.issue("b.test")])
    for version in ("-tls1_2", "-tls1_3"):
        for algorithm, wanted in (("ecdsa_secp256r1_sha256", "ECDSA"), ("rsa_pss_rsae_sha256", "RSA-PSS"), ("rsa_pss_rsae_sha256:ecdsa_secp256r1_sha256", None)):
            said = s_client(port, version, "-sigalgs", algorithm, "-CAfile", authority.file, "-verify_return_error", "-verify_hostname", "a.test")
            assert "Verify return code: 0 (ok)" in said, said
            assert wanted is None or re.search(rf"Peer signature type: {wanted}$", said, re.M), (version, algorithm, said)
    with TlsWire(port, authority.context()) as wire:
        assert wire.get().status == 200


@scenario()
def who_comes_back_shortens_the_handshake(stage):
    tool("curl")
    authority = Authority(stage)
    drover, port = in_front(stage, authority.issue("a.test"))
    url = f"https://a.test:{port}/"
    result = run("curl", "-sS", "--cacert", authority.file, "--resolve", f"a.test:{port}:127.0.0.1", "--tlsv1.3", "--http1.1", "-H", "Connection: close",
                 "-w", "%{http_code} %{num_connects}\n", *("-o", "/dev/null", url) * 3)
    assert result.stdout == "200 1\n" * 3, result
    assert counter(drover, "tls_resumed") == 2
    said = s_client(port, "-tls1_2", "-reconnect")  # curl lets go of those
    assert said.count("\nReused, TLSv1.2") == 5, said
    assert counter(drover, "tls_resumed") == 7


@scenario()
def nothing_is_negotiated_anew_and_nothing_is_said_too_early(stage):
    authority = Authority(stage)
    _, port = in_front(stage, authority.issue("a.test"))
    ticket, early = stage.path("ticket"), stage.write("early", "GET /early HTTP/1.1\r\nHost: a.test\r\n\r\n")
    said = s_client(port, "-tls1_2", "-legacy_renegotiation" if "-legacy_renegotiation" in run("openssl", "s_client", "-help").stderr else "-no_ign_eof", input="R\n")
    assert "RENEGOTIATING" in said and re.search("no renegotiation|handshake failure", said), said
    said = s_client(port, "-tls1_3", "-sess_out", ticket, "-ign_eof", input="GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
    assert "Max Early Data: 0" in said, said
    said = s_client(port, "-tls1_3", "-sess_in", ticket, "-early_data", early)
    assert "Early data was not sent" in said and "Reused" in said, said
    for arguments, wanted in ((("-tls1_2", "-comp"), "Compression: NONE"), (("-tls1_2", "-cipher", "AES128-SHA:DES-CBC3-SHA:@SECLEVEL=0"), "alert handshake failure")):
        said = s_client(port, *arguments)
        assert wanted in said, (arguments, said)


@scenario()
def the_last_thing_it_says_is_that_it_ends(stage):
    authority = Authority(stage)
    _, port = in_front(stage, authority.issue("a.test"))
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with TlsWire(port, authority.context(version)) as wire:
            wire.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
            assert b" 200 OK" in wire.rest()  # which raises at an end without close_notify
    said = s_client(port, "-tls1_3", "-ign_eof", "-msg", input="GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
    assert re.search(r"<<< TLS 1.3, Alert \[length 0002\], warning close_notify", said), said


@scenario()
def uacmes_hook_and_the_challenge_directory_fit_together(stage):
    hook = "/usr/share/uacme/uacme.sh"
    if not os.path.exists(hook):
        raise Skipped("uacme is not there")
    directory = stage.path("acme")
    os.makedirs(directory)
    authority = Authority(stage)
    drover, port = in_front(stage, authority.issue("a.test"), acme=directory)
    token, secret = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA", "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA.9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"
    path = f"/.well-known/acme-challenge/{token}"
    assert get(drover.port, path).status == 404
    for method, status in (("begin", 200), ("done", 404), ("begin", 200), ("failed", 404)):
        result = run(hook, method, "http-01", "a.test", token, secret, environment={"UACME_CHALLENGE_PATH": directory})
        assert result.returncode == 0, result
        response = get(drover.port, path)
        assert response.status == status and (status == 404 or response.text == secret), (method, response)
    with TlsWire(port, authority.context()) as wire:
        assert wire.get("/").status == 200


@scenario(limit=150)
def testssl_finds_nothing_worse_than_low(stage):
    if VARIANT != "release":
        raise Skipped("a stranger's look at what it says, not at its memory: the plain variant is enough")
    tool("testssl")
    authority = Authority(stage)
    _, port = in_front(stage, [authority.issue("localhost", "DNS:localhost,IP:127.0.0.1", days=200),
                               authority.issue("localhost", "DNS:localhost,IP:127.0.0.1", days=200, kind=("rsa", "rsa_keygen_bits:2048"))])
    report = stage.path("testssl.json")
    result = run("testssl", "--quiet", "--color", "0", "--warnings", "off", "--fast", "--nodns", "none", "--add-ca", authority.file, "--ip", "127.0.0.1", "--jsonfile",
                 report, *TESTSSL, f"localhost:{port}", within=140, environment={"TERM": "dumb"})
    with open(report) as file:
        findings = json.load(file)
    assert len(findings) > 60, result
    bad = [finding for finding in findings if finding["severity"] in WORSE_THAN_LOW and not finding["id"].startswith("cert_")]
    assert not bad, bad
