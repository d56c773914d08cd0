# SPDX-License-Identifier: MIT
"""Certificates for scenarios, made by openssl on the spot; and a client that speaks TLS over kit's Wire."""
import os
import socket
import ssl
import subprocess

from wire import PATIENCE, Wire


def openssl(*arguments, directory, input=None):
    return subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, input=input, timeout=30 * PATIENCE)


class Authority:
    """Signs certificates; its own is `file`."""

    def __init__(self, stage, name="ca"):
        self.directory, self.name, self.count = stage.path(f"certificates-{name}"), name, 0
        os.makedirs(self.directory, exist_ok=True)
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", f"/CN={name}",
                "-keyout", "ca.key", "-out", "ca.pem", directory=self.directory)
        self.file = os.path.join(self.directory, "ca.pem")

    def issue(self, name, names=None, days=30, subject=None, kind=("ec", "ec_paramgen_curve:P-256")):
        """-> {certificate, key}: paths, as `tls:` takes them"""
        self.count += 1
        base = os.path.join(self.directory, f"{self.count}-{name.replace('*', 'any')}")
        with open(base + ".ext", "w") as file:
            file.write("subjectAltName=" + (names or f"DNS:{name},IP:127.0.0.1") + "\n")
        openssl("req", "-newkey", kind[0], "-pkeyopt", kind[1], "-nodes", "-subj", subject or f"/CN={name}", "-keyout", base + ".key",
                "-out", base + ".csr", directory=self.directory)
        openssl("x509", "-req", "-in", base + ".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", str(days), "-extfile",
                base + ".ext", "-out", base + ".pem", directory=self.directory)
        return {"certificate": base + ".pem", "key": base + ".key"}

    def context(self, version=None, client=None):
        context = ssl.create_default_context(cafile=self.file)
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # Python would not tell a cut from an end
        if version:
            context.minimum_version = context.maximum_version = version
        if client:
            context.load_cert_chain(client["certificate"], client["key"])
        return context


class TlsWire(Wire):
    """A Wire inside TLS. `tls` is its ssl socket."""

    def __init__(self, where, context, name="a.test", again=None, timeout=10):
        super().__init__(where, timeout)
        try:
            self.socket = self.tls = context.wrap_socket(self.socket, server_hostname=name, session=again, suppress_ragged_eofs=False)
        except BaseException:
            self.socket.close()
            raise

    def finish_sending(self):
        raise NotImplementedError("TLS ends both ways at once in Python")

    def subject(self):
        return dict(pair[0] for pair in self.tls.getpeercert()["subject"])["commonName"]

    def rest(self):
        """Everything until close_notify; a cut raises."""
        while self.fill():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def drop(self):
        """Leaves without close_notify."""
        raw = socket.socket(fileno=self.tls.detach())
        raw.close()
