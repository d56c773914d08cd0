# SPDX-License-Identifier: MIT
"""What a listener decides by itself: who may come in, where plain HTTP is sent, what is answered without a worker."""
import json
import os
import ssl
import subprocess

from certificates import Authority, TlsWire, openssl
from kit import PATIENCE, Wire, free_port, get, plain, request, scenario


def fields_of(backend):
    return {name.lower(): value for name, value in backend.requests[-1].fields}


@scenario()
def only_who_has_a_certificate_of_the_right_authority_comes_in_and_workers_are_told_who_it_is(stage):
    servers, clients, strangers = Authority(stage, "servers"), Authority(stage, "clients"), Authority(stage, "strangers")
    ada = clients.issue("ada", subject="/O=Ex\\, Inc/CN=Ada Löve\nX-Forged: 1")
    backend, port = stage.backend(), free_port()
    drover = stage.front(backend, top={"listen": [f"127.0.0.1:{free_port()}", {
        "address": f"127.0.0.1:{port}", "tls": {**servers.issue("a.test"), "client_ca": clients.file}}]})
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context, ticket = servers.context(version, ada), None
        for turn in range(2):
            with TlsWire(port, context, again=ticket) as wire:
                assert wire.tls.session_reused == (turn > 0), "coming back is short, and who it is is known still"
                assert wire.get("/", [("X-Client-Subject", "CN=root"), ("x_client_subject", "CN=root")]).status == 200
                ticket = wire.tls.session
            fields = fields_of(backend)
            assert fields["x-client-subject"].startswith("CN=Ada") and "Ex\\, Inc" in fields["x-client-subject"], fields
            assert "x-forged" not in fields and "x_client_subject" not in fields, fields
            assert fields["x-client-subject"].isascii()
        seen = len(backend.requests)
        for stranger in (None, strangers.issue("ada")):
            try:
                with TlsWire(port, servers.context(version, stranger)) as wire:
                    wire.get()
            except (ssl.SSLError, ConnectionError):
                pass
            else:
                raise AssertionError("a stranger came in")
        assert len(backend.requests) == seen
    get(drover.port, fields=[("X-Client-Subject", "CN=root")])
    assert "x-client-subject" not in fields_of(backend), "nobody else can say it either"


@scenario()
def a_ticket_is_no_way_around_the_certificate(stage):
    """Issued where no certificate is asked for, presented where one is."""
    servers, clients = Authority(stage, "servers"), Authority(stage, "clients")
    pair, open_port, closed_port = servers.issue("a.test"), free_port(), free_port()
    backend = stage.backend()
    stage.front(backend, top={"listen": [{"address": f"127.0.0.1:{open_port}", "tls": pair},
                                         {"address": f"127.0.0.1:{closed_port}", "tls": {**pair, "client_ca": clients.file}}]})
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = servers.context(version)
        with TlsWire(open_port, context) as wire:
            assert wire.get().status == 200
            ticket = wire.tls.session
        seen = len(backend.requests)
        try:
            with TlsWire(closed_port, context, again=ticket) as wire:
                wire.get()
        except (ssl.SSLError, ConnectionError):
            pass
        else:
            raise AssertionError("the ticket opened it")
        assert len(backend.requests) == seen


@scenario()
def plain_http_is_sent_to_https_and_keeps_its_path(stage):
    authority = Authority(stage)
    first, second, third, secure = (free_port() for _ in range(4))
    backend = stage.backend()
    stage.front(backend, top={"listen": [{"address": f"127.0.0.1:{first}", "redirect": "https", "expose": ["/health/ready"]},
                                         {"address": f"127.0.0.1:{second}", "redirect": "https:443"}, f"127.0.0.1:{third}",
                                         {"address": f"127.0.0.1:{secure}", "tls": authority.issue("a.test")}]})
    with Wire(first) as wire:
        response = wire.get("/a%20b/c?d=e&f", host="a.test:8080")
        assert response.status == 308 and response.field("Location") == f"https://a.test:{secure}/a%20b/c?d=e&f", response
        assert wire.request("POST", "/x", body=b"12345", host="[::1]:80").status == 308
    with Wire(first) as wire:
        assert wire.get("/health/ready").status == 200, "what is exposed is exposed"
        assert wire.get("/", host="[::1]:80").field("Location") == f"https://[::1]:{secure}/"
    assert get(second, "/x", host="a.test").field("Location") == "https://a.test/x"
    assert request(first, "GET", "/", host=None, version="1.0").status == 400
    assert not backend.requests, "no worker was touched"
    assert get(third).status == 200


@scenario()
def acme_challenges_are_answered_from_their_directory(stage):
    challenges = stage.path("challenges")
    os.makedirs(challenges + "/deep")
    token = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA"
    for name, text in ((token, token + ".thumb"), ("large", "x" * 5000), ("deep/inside", "no")):
        with open(os.path.join(challenges, name), "w") as file:
            file.write(text)
    with open(stage.path("secret"), "w") as file:
        file.write("secret")
    os.symlink(stage.path("secret"), os.path.join(challenges, "link"))
    os.mkfifo(os.path.join(challenges, "pipe"))
    backend = stage.backend()
    port = free_port()
    drover = stage.front(backend, top={"acme": challenges, "listen": [f"127.0.0.1:{free_port()}", {"address": f"127.0.0.1:{port}", "redirect": "https"}]})
    for where in (drover.port, port):
        response = get(where, f"/.well-known/acme-challenge/{token}")
        assert (response.status, response.text) == (200, token + ".thumb"), response
        for path in ("nothing", "", "..%2fsecret", "../secret", "link", "pipe", "deep", "deep/inside", "large", ".", "a" * 200, token + "/"):
            response = get(where, "/.well-known/acme-challenge/" + path)
            assert response.status == 404 and "secret" not in response.text, (path, response)
    assert not backend.requests
    assert request(drover.port, "HEAD", f"/.well-known/acme-challenge/{token}").status == 200


@scenario()
def an_ocsp_answer_is_stapled_while_it_is_valid(stage):
    authority = Authority(stage)
    pair = authority.issue("a.test")
    serial = openssl("x509", "-in", pair["certificate"], "-noout", "-serial", directory=authority.directory).stdout.decode().strip().partition("=")[2]
    with open(os.path.join(authority.directory, "index.txt"), "w") as file:
        file.write(f"V\t400101000000Z\t\t{serial}\tunknown\t/CN=a.test\n")
    answer = os.path.join(authority.directory, "a.ocsp")

    def renew(*span):
        openssl("ocsp", "-index", "index.txt", "-rsigner", "ca.pem", "-rkey", "ca.key", "-CA", "ca.pem", "-issuer", "ca.pem", "-cert", pair["certificate"],
                "-respout", answer + ".new", *span, directory=authority.directory)
        os.rename(answer + ".new", answer)

    renew("-ndays", "1")
    port = free_port()
    drover = stage.front(stage.backend(), top={"listen": [f"127.0.0.1:{free_port()}", {"address": f"127.0.0.1:{port}", "tls": {**pair, "ocsp": answer}}]})

    def status(version):
        return subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-status", version], input="", capture_output=True, text=True,
                              timeout=20 * PATIENCE).stdout
    for version in ("-tls1_2", "-tls1_3"):
        assert "OCSP Response Status: successful" in status(version), status(version)[:500]
    with open(answer, "w") as file:
        file.write("rubbish")
    assert "listen[1].tls.ocsp" in drover.told("reload", status=1)
    assert "OCSP Response Status: successful" in status("-tls1_3")


@scenario()
def what_cannot_go_together_is_refused(stage):
    authority = Authority(stage)
    pair = authority.issue("a.test")
    base = stage.config({"web": {"command": plain(), "workers": 1}})
    for listen, wanted in (({"address": f"127.0.0.1:{free_port()}", "tls": pair, "redirect": "https"}, "got both"),
                           ({"address": f"127.0.0.1:{free_port()}", "redirect": "http"}, "expected off, https or https:PORT"),
                           ({"address": f"127.0.0.1:{free_port()}", "redirect": "https:0"}, "expected off, https or https:PORT"),
                           ({"address": f"127.0.0.1:{free_port()}", "tls": {**pair, "client_ca": pair["key"]}}, "expected certificates in PEM form"),
                           ({"address": f"127.0.0.1:{free_port()}", "tls": {**pair, "ocsp": pair["key"]}}, "expected an OCSP response")):
        stage.write("wrong.yaml", json.dumps({**base, "listen": [listen]}))
        result = stage.run("-c", stage.path("wrong.yaml"), "check")
        assert result.returncode == 2 and wanted in result.stderr, (wanted, result)
